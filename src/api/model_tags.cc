// SPDX-License-Identifier: Apache-2.0
//
// The three tag operations that MicroVMs share with the rest of Lambda (specification section 1.8).

#include "api/shapes.h"

namespace dormouse::api {
namespace {

using namespace shapes;

constexpr Protocol kProtocol{.service = "lambda-microvms", .nulls_for_absent = false, .errors = ErrorDialect::kTags};

constexpr Shape kTaggableResource =
    text("TaggableResource",
         1,
         10000,
         "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:"
         "(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|"
         "code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-"
         "[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|(capacity-provider|network-connector|microvm-image):[a-zA-Z0-9-_]+)");
constexpr Shape kTagKeyList = list("TagKeyList", kTagKey);

constexpr Member kTagResourceMembers[] = {
    {"Resource", &kTaggableResource, kRequired, kLabel},
    {"Tags", &kTags, kRequired},
};
constexpr Shape kTagResource = structure("TagResourceRequest", kTagResourceMembers);

constexpr Member kUntagResourceMembers[] = {
    {"Resource", &kTaggableResource, kRequired, kLabel},
    {"TagKeys", &kTagKeyList, kRequired, kQuery, "tagKeys"},
};
constexpr Shape kUntagResource = structure("UntagResourceRequest", kUntagResourceMembers);

constexpr Member kListTagsMembers[] = {
    {"Resource", &kTaggableResource, kRequired, kLabel},
};
constexpr Shape kListTags = structure("ListTagsRequest", kListTagsMembers);

constexpr Member kListTagsAnswerMembers[] = {
    {"Tags", &kTags},
};
constexpr Shape kListTagsAnswer = structure("ListTagsResponse", kListTagsAnswerMembers);

constexpr std::string_view kReadErrors[] = {
    "AccessDeniedException",
    "InternalServerException",
    "InvalidParameterValueException",
    "ResourceNotFoundException",
    "ServiceException",
    "ThrottlingException",
    "TooManyRequestsException",
    "ValidationException",
};
constexpr std::string_view kWriteErrors[] = {
    "AccessDeniedException",
    "InternalServerException",
    "InvalidParameterValueException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ServiceException",
    "ThrottlingException",
    "TooManyRequestsException",
    "ValidationException",
};

// clang-format off
constexpr Operation kOperations[] = {
    {"TagResource", "POST", "/2017-03-31/tags/{Resource}", 204, &kTagResource, nullptr, kWriteErrors, &kProtocol},
    {"UntagResource", "DELETE", "/2017-03-31/tags/{Resource}", 204, &kUntagResource, nullptr, kWriteErrors, &kProtocol},
    {"ListTags", "GET", "/2017-03-31/tags/{Resource}", 200, &kListTags, &kListTagsAnswer, kReadErrors, &kProtocol},
};
// clang-format on

}  // namespace

std::span<const Operation> tag_operations() { return kOperations; }

}  // namespace dormouse::api
