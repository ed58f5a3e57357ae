// SPDX-License-Identifier: Apache-2.0
//
// Dormouse's own operations on accounts and their keys (docs/reference/api-extensions.md).

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{.service = "dormouse"};
constexpr std::string_view kCreateErrors[] = {"AccessDeniedException",
                                              "ConflictException",
                                              "InternalServerException",
                                              "ServiceQuotaExceededException",
                                              "ThrottlingException",
                                              "ValidationException"};
constexpr std::string_view kListErrors[] = {
    "AccessDeniedException", "InternalServerException", "ThrottlingException", "ValidationException"};
constexpr std::string_view kFindErrors[] = {"AccessDeniedException",
                                            "InternalServerException",
                                            "ResourceNotFoundException",
                                            "ThrottlingException",
                                            "ValidationException"};
constexpr std::string_view kDeleteErrors[] = {"AccessDeniedException",
                                              "ConflictException",
                                              "InternalServerException",
                                              "ResourceNotFoundException",
                                              "ThrottlingException",
                                              "ValidationException"};
constexpr std::string_view kNewKeyErrors[] = {"AccessDeniedException",
                                              "InternalServerException",
                                              "ResourceNotFoundException",
                                              "ServiceQuotaExceededException",
                                              "ThrottlingException",
                                              "ValidationException"};
constexpr std::string_view kRotateErrors[] = {"AccessDeniedException",
                                              "ConflictException",
                                              "InternalServerException",
                                              "ResourceNotFoundException",
                                              "ServiceQuotaExceededException",
                                              "ThrottlingException",
                                              "ValidationException"};

// The rules of numbers, names and keys are the control layer's, whose refusals name the remedy.
constexpr Shape kMaxResults = number("MaxResults", 1, 50);

// ---- accounts ----

constexpr Member kCreateMembers[] = {{"accountId", &kString}, {"name", &kString, kOptional, kBody, {}, "\"\""}};
constexpr Shape kCreate = structure("CreateAccountRequest", kCreateMembers);
constexpr Member kAccountMembers[] = {
    {"accountId", &kString, kRequired},
    {"name", &kString, kRequired},
    {"administrator", &kBoolean, kRequired},
    {"createdAt", &kTimestamp, kRequired},
};
constexpr Shape kAccount = structure("Account", kAccountMembers);
constexpr Shape kAccounts = list("AccountList", kAccount);

constexpr Member kListMembers[] = {
    {"maxResults", &kMaxResults, kOptional, kQuery},
    {"nextToken", &kString, kOptional, kQuery},
};
constexpr Shape kList = structure("ListAccountsRequest", kListMembers);
constexpr Member kListAnswerMembers[] = {{"items", &kAccounts, kRequired}, {"nextToken", &kString}};
constexpr Shape kListAnswer = structure("ListAccountsResponse", kListAnswerMembers);

constexpr Member kAccountOnlyMembers[] = {{"accountId", &kString, kRequired, kLabel}};
constexpr Shape kAccountOnly = structure("AccountRequest", kAccountOnlyMembers);

constexpr Member kResourceMembers[] = {{"kind", &kString, kRequired}, {"count", &kLong, kRequired}};
constexpr Shape kResource = structure("AccountResource", kResourceMembers);
constexpr Shape kResources = list("AccountResources", kResource);
constexpr Member kQuotaUseMembers[] = {
    {"name", &kString, kRequired},
    {"allowed", &kLong},  // null: the host alone is the bound
    {"used", &kLong},     // null: of rates, and of what counts for one image
    {"setForAccount", &kBoolean, kRequired},
};
constexpr Shape kQuotaUse = structure("QuotaUse", kQuotaUseMembers);
constexpr Shape kQuotaUses = list("QuotaUses", kQuotaUse);
constexpr Member kDescriptionMembers[] = {
    {"accountId", &kString, kRequired},
    {"name", &kString, kRequired},
    {"administrator", &kBoolean, kRequired},
    {"createdAt", &kTimestamp, kRequired},
    {"resources", &kResources, kRequired},
    {"quotas", &kQuotaUses, kRequired},
};
constexpr Shape kDescription = structure("DescribeAccountResponse", kDescriptionMembers);

// ---- quotas ----

constexpr Shape kAllowed{.name = "Allowed", .type = Type::kLong, .minimum = 0};
constexpr Member kQuotaMembers[] = {{"name", &kString, kRequired}, {"allowed", &kAllowed}};
constexpr Shape kQuota = structure("Quota", kQuotaMembers);
constexpr Shape kQuotas = list("Quotas", kQuota);
constexpr Shape kQuotaNames = list("QuotaNames", kString);
constexpr Member kSetQuotasMembers[] = {
    {"accountId", &kString, kRequired, kLabel},
    {"quotas", &kQuotas},
    {"reset", &kQuotaNames},
};
constexpr Shape kSetQuotas = structure("SetAccountQuotasRequest", kSetQuotasMembers);

// ---- keys ----

constexpr Member kKeyMembers[] = {
    {"accessKeyId", &kString, kRequired},
    {"accountId", &kString, kRequired},
    {"status", &kString, kRequired},  // ACTIVE, EXPIRING, EXPIRED
    {"createdAt", &kTimestamp},       // null: it stands in the credentials file
    {"expiresAt", &kTimestamp},
};
constexpr Shape kKey = structure("AccessKey", kKeyMembers);
constexpr Shape kKeys = list("AccessKeys", kKey);
constexpr Member kKeysMembers[] = {{"items", &kKeys, kRequired}};
constexpr Shape kKeysAnswer = structure("ListAccountKeysResponse", kKeysMembers);
constexpr Member kNewKeyMembers[] = {
    {"accessKeyId", &kString, kRequired},
    {"secretAccessKey", &kString, kRequired},
    {"accountId", &kString, kRequired},
    {"createdAt", &kTimestamp, kRequired},
};
constexpr Shape kNewKey = structure("NewAccessKey", kNewKeyMembers);
constexpr Member kKeyOnlyMembers[] = {
    {"accountId", &kString, kRequired, kLabel},
    {"accessKeyId", &kString, kRequired, kLabel},
};
constexpr Shape kKeyOnly = structure("AccountKeyRequest", kKeyOnlyMembers);
constexpr Member kRotateMembers[] = {
    {"accountId", &kString, kRequired, kLabel},
    {"accessKeyId", &kString, kRequired, kLabel},
    {"overlapInSeconds", &kInteger, kOptional, kBody, {}, "86400"},
};
constexpr Shape kRotate = structure("RotateAccountKeyRequest", kRotateMembers);
constexpr Member kRotationMembers[] = {{"created", &kNewKey, kRequired}, {"old", &kKey, kRequired}};
constexpr Shape kRotation = structure("RotateAccountKeyResponse", kRotationMembers);

constexpr std::string_view kPath = "/dormouse/2026-11-01/accounts";
constexpr std::string_view kOnePath = "/dormouse/2026-11-01/accounts/{accountId}";
constexpr std::string_view kQuotasPath = "/dormouse/2026-11-01/accounts/{accountId}/quotas";
constexpr std::string_view kKeysPath = "/dormouse/2026-11-01/accounts/{accountId}/keys";
constexpr std::string_view kKeyPath = "/dormouse/2026-11-01/accounts/{accountId}/keys/{accessKeyId}";
constexpr std::string_view kRotationPath = "/dormouse/2026-11-01/accounts/{accountId}/keys/{accessKeyId}/rotation";

// clang-format off
constexpr Operation kOperations[] = {
    {"CreateAccount", "POST", kPath, 201, &kCreate, &kAccount, kCreateErrors, &kProtocol},
    {"ListAccounts", "GET", kPath, 200, &kList, &kListAnswer, kListErrors, &kProtocol},
    {"DescribeAccount", "GET", kOnePath, 200, &kAccountOnly, &kDescription, kFindErrors, &kProtocol},
    {"DeleteAccount", "DELETE", kOnePath, 204, &kAccountOnly, nullptr, kDeleteErrors, &kProtocol},
    {"SetAccountQuotas", "PUT", kQuotasPath, 200, &kSetQuotas, &kDescription, kFindErrors, &kProtocol},
    {"CreateAccountKey", "POST", kKeysPath, 201, &kAccountOnly, &kNewKey, kNewKeyErrors, &kProtocol},
    {"ListAccountKeys", "GET", kKeysPath, 200, &kAccountOnly, &kKeysAnswer, kFindErrors, &kProtocol},
    {"RevokeAccountKey", "DELETE", kKeyPath, 204, &kKeyOnly, nullptr, kFindErrors, &kProtocol},
    {"RotateAccountKey", "POST", kRotationPath, 201, &kRotate, &kRotation, kRotateErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> account_operations() { return kOperations; }

}  // namespace dormouse::api
