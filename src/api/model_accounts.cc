// SPDX-License-Identifier: Apache-2.0
//
// Dormouse's own operations on accounts and their keys (docs/reference/api-extensions.md).

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{.service = "dormouse"};
constexpr std::string_view kErrors[] = {"AccessDeniedException",
                                        "ConflictException",
                                        "InternalServerException",
                                        "ResourceNotFoundException",
                                        "ServiceQuotaExceededException",
                                        "ValidationException"};

constexpr Shape kAccountId = text("AccountId", 12, 12, "[0-9]{12}");
constexpr Shape kName = text("AccountName", 0, 128);
constexpr Shape kKeyId = text("AccessKeyId", 16, 128, "[\\w]+");
constexpr Shape kMaxResults = number("MaxResults", 1, 50);
constexpr Shape kNextToken = text("NextToken", 1, 2048);

// ---- accounts ----

constexpr Member kCreateMembers[] = {{"accountId", &kAccountId}, {"name", &kName, kOptional, kBody, {}, "\"\""}};
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
    {"nextToken", &kNextToken, kOptional, kQuery},
};
constexpr Shape kList = structure("ListAccountsRequest", kListMembers);
constexpr Member kListAnswerMembers[] = {{"items", &kAccounts, kRequired}, {"nextToken", &kString}};
constexpr Shape kListAnswer = structure("ListAccountsResponse", kListAnswerMembers);

constexpr Member kAccountOnlyMembers[] = {{"accountId", &kAccountId, kRequired, kLabel}};
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

constexpr Shape kQuotaName = text("QuotaName", 1, 128);
constexpr Shape kAllowed{.name = "Allowed", .type = Type::kLong, .minimum = 0};
constexpr Member kQuotaMembers[] = {{"name", &kQuotaName, kRequired}, {"allowed", &kAllowed}};
constexpr Shape kQuota = structure("Quota", kQuotaMembers);
constexpr Shape kQuotas = list("Quotas", kQuota, 0, 100);
constexpr Shape kQuotaNames = list("QuotaNames", kQuotaName, 0, 100);
constexpr Member kSetQuotasMembers[] = {
    {"accountId", &kAccountId, kRequired, kLabel},
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
    {"accountId", &kAccountId, kRequired, kLabel},
    {"accessKeyId", &kKeyId, kRequired, kLabel},
};
constexpr Shape kKeyOnly = structure("AccountKeyRequest", kKeyOnlyMembers);
constexpr Member kRotateMembers[] = {
    {"accountId", &kAccountId, kRequired, kLabel},
    {"accessKeyId", &kKeyId, kRequired, kLabel},
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
    {"CreateAccount", "POST", kPath, 201, &kCreate, &kAccount, kErrors, &kProtocol},
    {"ListAccounts", "GET", kPath, 200, &kList, &kListAnswer, kErrors, &kProtocol},
    {"DescribeAccount", "GET", kOnePath, 200, &kAccountOnly, &kDescription, kErrors, &kProtocol},
    {"DeleteAccount", "DELETE", kOnePath, 204, &kAccountOnly, nullptr, kErrors, &kProtocol},
    {"SetAccountQuotas", "PUT", kQuotasPath, 200, &kSetQuotas, &kDescription, kErrors, &kProtocol},
    {"CreateAccountKey", "POST", kKeysPath, 201, &kAccountOnly, &kNewKey, kErrors, &kProtocol},
    {"ListAccountKeys", "GET", kKeysPath, 200, &kAccountOnly, &kKeysAnswer, kErrors, &kProtocol},
    {"RevokeAccountKey", "DELETE", kKeyPath, 204, &kKeyOnly, nullptr, kErrors, &kProtocol},
    {"RotateAccountKey", "POST", kRotationPath, 201, &kRotate, &kRotation, kErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> account_operations() { return kOperations; }

}  // namespace dormouse::api
