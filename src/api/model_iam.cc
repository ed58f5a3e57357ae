// SPDX-License-Identifier: Apache-2.0
//
// Roles of `iam`, and `sts`: the query protocol. Source: IAM and STS API references.

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kIam{
    .service = "iam", .version = "2010-05-08", .xml_namespace = "https://iam.amazonaws.com/doc/2010-05-08/"};
constexpr Protocol kSts{
    .service = "sts", .version = "2011-06-15", .xml_namespace = "https://sts.amazonaws.com/doc/2011-06-15/"};

// ---- what both have ----

constexpr std::string_view kNamePattern = "[\\w+=,.@-]+";
constexpr std::string_view kArnPattern =
    "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+";
constexpr Shape kArn = text("arnType", 20, 2048);
constexpr Shape kPolicyDocument = text("policyDocumentType", 1, 131'072, "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+");
constexpr Shape kIamTagKey = text("tagKeyType", 1, 128, "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+");
constexpr Shape kIamTagValue = text("tagValueType", 0, 256, "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*");
constexpr Member kTagMembers[] = {{"Key", &kIamTagKey, kRequired}, {"Value", &kIamTagValue, kRequired}};
constexpr Shape kTag = structure("Tag", kTagMembers);
constexpr Shape kTagList = list("tagListType", kTag, kNoMinimum, 50);

// ---- roles ----

constexpr Shape kRoleName = text("roleNameType", 1, 64, kNamePattern);
constexpr Shape kPolicyName = text("policyNameType", 1, 128, kNamePattern);
constexpr Shape kPath = text("pathType", 1, 512, "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)");
constexpr Shape kPathPrefix = text("pathPrefixType", 1, 512, "\\u002F[\\u0021-\\u007F]*");
constexpr Shape kDescription =
    text("roleDescriptionType", kNoMinimum, 1000, "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*");
constexpr Shape kMaxSession = number("roleMaxSessionDurationType", 3600, 43'200);
constexpr Shape kMarker = text("markerType", 1, 4096, "[\\u0020-\\u00FF]+");
constexpr Shape kMaxItems = number("maxItemsType", 1, 1000);

constexpr Shape kLastUsed = structure("RoleLastUsed");
constexpr Member kRoleMembers[] = {
    {"Path", &kString, kRequired},
    {"RoleName", &kString, kRequired},
    {"RoleId", &kString, kRequired},
    {"Arn", &kString, kRequired},
    {"CreateDate", &kTimestamp, kRequired},
    {"AssumeRolePolicyDocument", &kString},
    {"Description", &kString},
    {"MaxSessionDuration", &kInteger},
    {"Tags", &kTagList},
    {"RoleLastUsed", &kLastUsed},
};
constexpr Shape kRole = structure("Role", kRoleMembers);
constexpr Shape kRoles = list("roleListType", kRole);
constexpr Member kRoleAnswerMembers[] = {{"Role", &kRole, kRequired}};
constexpr Shape kRoleAnswer = structure("RoleResponse", kRoleAnswerMembers);

constexpr Member kCreateRoleMembers[] = {
    {"Path", &kPath, kOptional, kBody, {}, "\"/\""},
    {"RoleName", &kRoleName, kRequired},
    {"AssumeRolePolicyDocument", &kPolicyDocument, kRequired},
    {"Description", &kDescription},
    {"MaxSessionDuration", &kMaxSession, kOptional, kBody, {}, "3600"},
    {"PermissionsBoundary", &kArn},
    {"Tags", &kTagList},
};
constexpr Shape kCreateRole = structure("CreateRoleRequest", kCreateRoleMembers);

constexpr Member kRoleNameMembers[] = {{"RoleName", &kRoleName, kRequired}};
constexpr Shape kRoleNameOnly = structure("RoleRequest", kRoleNameMembers);

constexpr Member kListRolesMembers[] = {
    {"PathPrefix", &kPathPrefix},
    {"Marker", &kMarker},
    {"MaxItems", &kMaxItems},
};
constexpr Shape kListRoles = structure("ListRolesRequest", kListRolesMembers);
constexpr Member kListRolesAnswerMembers[] = {
    {"Roles", &kRoles, kRequired},
    {"IsTruncated", &kBoolean, kRequired},
    {"Marker", &kString},
};
constexpr Shape kListRolesAnswer = structure("ListRolesResponse", kListRolesAnswerMembers);

// ---- their policies ----

constexpr Member kPutPolicyMembers[] = {
    {"RoleName", &kRoleName, kRequired},
    {"PolicyName", &kPolicyName, kRequired},
    {"PolicyDocument", &kPolicyDocument, kRequired},
};
constexpr Shape kPutPolicy = structure("PutRolePolicyRequest", kPutPolicyMembers);
constexpr Member kPolicyMembers[] = {
    {"RoleName", &kRoleName, kRequired},
    {"PolicyName", &kPolicyName, kRequired},
};
constexpr Shape kPolicy = structure("RolePolicyRequest", kPolicyMembers);
constexpr Member kPolicyAnswerMembers[] = {
    {"RoleName", &kString, kRequired},
    {"PolicyName", &kString, kRequired},
    {"PolicyDocument", &kString, kRequired},
};
constexpr Shape kPolicyAnswer = structure("GetRolePolicyResponse", kPolicyAnswerMembers);
constexpr Member kAttachMembers[] = {
    {"RoleName", &kRoleName, kRequired},
    {"PolicyArn", &kArn, kRequired},
};
constexpr Shape kAttach = structure("AttachRolePolicyRequest", kAttachMembers);

constexpr Member kListPoliciesMembers[] = {
    {"RoleName", &kRoleName, kRequired},
    {"Marker", &kMarker},
    {"MaxItems", &kMaxItems},
};
constexpr Shape kListPolicies = structure("ListRolePoliciesRequest", kListPoliciesMembers);
constexpr Shape kPolicyNames = list("policyNameListType", kString);
constexpr Member kPolicyNamesMembers[] = {
    {"PolicyNames", &kPolicyNames, kRequired},
    {"IsTruncated", &kBoolean, kRequired},
    {"Marker", &kString},
};
constexpr Shape kPolicyNamesAnswer = structure("ListRolePoliciesResponse", kPolicyNamesMembers);
constexpr Member kListAttachedMembers[] = {
    {"RoleName", &kRoleName, kRequired},
    {"PathPrefix", &kPathPrefix},
    {"Marker", &kMarker},
    {"MaxItems", &kMaxItems},
};
constexpr Shape kListAttached = structure("ListAttachedRolePoliciesRequest", kListAttachedMembers);
constexpr Member kAttachedMembers[] = {
    {"PolicyName", &kString, kRequired},
    {"PolicyArn", &kString, kRequired},
};
constexpr Shape kAttached = structure("AttachedPolicy", kAttachedMembers);
constexpr Shape kAttachedList = list("attachedPoliciesListType", kAttached);
constexpr Member kAttachedAnswerMembers[] = {
    {"AttachedPolicies", &kAttachedList, kRequired},
    {"IsTruncated", &kBoolean, kRequired},
    {"Marker", &kString},
};
constexpr Shape kAttachedAnswer = structure("ListAttachedRolePoliciesResponse", kAttachedAnswerMembers);

// ---- sts ----

constexpr Shape kRoleArn = text("arnType", 20, 2048, kArnPattern);
constexpr Shape kSessionName = text("roleSessionNameType", 2, 64, "[\\w+=,.@-]*");
constexpr Shape kDuration = number("roleDurationSecondsType", 900, 43'200);
constexpr Shape kExternalId = text("externalIdType", 2, 1224, "[\\w+=,.@:\\/-]*");
constexpr Shape kSourceIdentity = text("sourceIdentityType", 2, 64, "[\\w+=,.@-]*");
constexpr Member kAssumeMembers[] = {
    {"RoleArn", &kRoleArn, kRequired},
    {"RoleSessionName", &kSessionName, kRequired},
    {"Policy", &kPolicyDocument},
    {"DurationSeconds", &kDuration},
    {"ExternalId", &kExternalId},
    {"SourceIdentity", &kSourceIdentity},
    {"Tags", &kTagList},
};
constexpr Shape kAssume = structure("AssumeRoleRequest", kAssumeMembers);
constexpr Member kCredentialMembers[] = {
    {"AccessKeyId", &kString, kRequired},
    {"SecretAccessKey", &kString, kRequired},
    {"SessionToken", &kString, kRequired},
    {"Expiration", &kTimestamp, kRequired},
};
constexpr Shape kCredentials = structure("Credentials", kCredentialMembers);
constexpr Member kAssumedUserMembers[] = {
    {"AssumedRoleId", &kString, kRequired},
    {"Arn", &kString, kRequired},
};
constexpr Shape kAssumedUser = structure("AssumedRoleUser", kAssumedUserMembers);
constexpr Member kAssumeAnswerMembers[] = {
    {"Credentials", &kCredentials, kRequired},
    {"AssumedRoleUser", &kAssumedUser, kRequired},
    {"SourceIdentity", &kString},
};
constexpr Shape kAssumeAnswer = structure("AssumeRoleResponse", kAssumeAnswerMembers);

constexpr Shape kNothing = structure("GetCallerIdentityRequest");
constexpr Member kIdentityMembers[] = {
    {"Arn", &kString, kRequired},
    {"UserId", &kString, kRequired},
    {"Account", &kString, kRequired},
};
constexpr Shape kIdentity = structure("GetCallerIdentityResponse", kIdentityMembers);

// clang-format off
constexpr Operation kOperations[] = {
    {"CreateRole", "POST", "/", 200, &kCreateRole, &kRoleAnswer, {}, &kIam},
    {"GetRole", "POST", "/", 200, &kRoleNameOnly, &kRoleAnswer, {}, &kIam},
    {"ListRoles", "POST", "/", 200, &kListRoles, &kListRolesAnswer, {}, &kIam},
    {"DeleteRole", "POST", "/", 200, &kRoleNameOnly, nullptr, {}, &kIam},
    {"PutRolePolicy", "POST", "/", 200, &kPutPolicy, nullptr, {}, &kIam},
    {"GetRolePolicy", "POST", "/", 200, &kPolicy, &kPolicyAnswer, {}, &kIam},
    {"DeleteRolePolicy", "POST", "/", 200, &kPolicy, nullptr, {}, &kIam},
    {"ListRolePolicies", "POST", "/", 200, &kListPolicies, &kPolicyNamesAnswer, {}, &kIam},
    {"AttachRolePolicy", "POST", "/", 200, &kAttach, nullptr, {}, &kIam},
    {"DetachRolePolicy", "POST", "/", 200, &kAttach, nullptr, {}, &kIam},
    {"ListAttachedRolePolicies", "POST", "/", 200, &kListAttached, &kAttachedAnswer, {}, &kIam},
    {"AssumeRole", "POST", "/", 200, &kAssume, &kAssumeAnswer, {}, &kSts},
    {"GetCallerIdentity", "POST", "/", 200, &kNothing, &kIdentity, {}, &kSts},
};
// clang-format on

}  // namespace

std::span<const Operation> identity_operations() { return kOperations; }

}  // namespace dormouse::api
