// SPDX-License-Identifier: Apache-2.0

#include "api/refusal.h"

#include <array>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "api/utf8.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using control::ServiceErrorKind;

struct ErrorShape {
  ServiceErrorKind kind;
  std::string_view type;
  int status;
  std::span<const std::string_view> null_members;  // besides the message
  std::string_view message_member = "message";
  std::string_view type_member{};    // value of `Type`, which then comes first
  std::string_view reason_member{};  // value of `Reason`
};

constexpr std::string_view kResource[] = {"resourceType", "resourceId"};
constexpr std::string_view kQuota[] = {"resourceId", "resourceType", "serviceCode", "quotaCode"};
constexpr std::string_view kThrottling[] = {"serviceCode", "quotaCode"};

constexpr ErrorShape kMicrovmsErrors[] = {
    {ServiceErrorKind::kValidation, "ValidationException", 400, {}},
    {ServiceErrorKind::kAccessDenied, "AccessDeniedException", 403, {}},
    {ServiceErrorKind::kResourceNotFound, "ResourceNotFoundException", 404, kResource},
    {ServiceErrorKind::kConflict, "ConflictException", 409, kResource},
    {ServiceErrorKind::kServiceQuotaExceeded, "ServiceQuotaExceededException", 402, kQuota},
    {ServiceErrorKind::kThrottling, "ThrottlingException", 429, kThrottling},
    {ServiceErrorKind::kInternalServer, "InternalServerException", 500, {}},
    {ServiceErrorKind::kInsufficientCapacity, "InsufficientCapacityException", 500, {}},
};
constexpr ErrorShape kTagsErrors[] = {
    {ServiceErrorKind::kValidation, "InvalidParameterValueException", 400, {}, "message", "User"},
    {ServiceErrorKind::kAccessDenied, "AccessDeniedException", 403, {}},
    {ServiceErrorKind::kResourceNotFound, "ResourceNotFoundException", 404, kResource},
    {ServiceErrorKind::kConflict, "ResourceConflictException", 409, {}, "message", "User"},
    {ServiceErrorKind::kThrottling, "TooManyRequestsException", 429, {}, "message", "User"},
    {ServiceErrorKind::kInternalServer, "ServiceException", 500, {}, "message", "Service"},
};
constexpr ErrorShape kCoreErrors[] = {
    {ServiceErrorKind::kValidation, "InvalidParameterValueException", 400, {}, "message", "User"},
    {ServiceErrorKind::kAccessDenied, "AccessDeniedException", 403, {}, "Message"},
    {ServiceErrorKind::kResourceNotFound, "ResourceNotFoundException", 404, {}, "Message", "User"},
    {ServiceErrorKind::kConflict, "ResourceConflictException", 409, {}, "message", "User"},
    {ServiceErrorKind::kServiceQuotaExceeded, "NetworkConnectorLimitExceededException", 400, {}, "message", "User"},
    {ServiceErrorKind::kThrottling, "TooManyRequestsException", 429, {}, "message", "User", "CallerRateLimitExceeded"},
    {ServiceErrorKind::kInternalServer, "ServiceException", 500, {}, "Message", "Service"},
};

constexpr ErrorShape kLogsErrors[] = {
    {ServiceErrorKind::kValidation, "InvalidParameterException", 400, {}},
    {ServiceErrorKind::kAccessDenied, "AccessDeniedException", 400, {}},
    {ServiceErrorKind::kResourceNotFound, "ResourceNotFoundException", 400, {}},
    {ServiceErrorKind::kConflict, "ResourceAlreadyExistsException", 400, {}},
    {ServiceErrorKind::kThrottling, "ThrottlingException", 400, {}},
    {ServiceErrorKind::kInternalServer, "ServiceUnavailableException", 500, {}},
};

std::span<const ErrorShape> error_shapes(ErrorDialect dialect) {
  switch (dialect) {
    case ErrorDialect::kMicrovms: return kMicrovmsErrors;
    case ErrorDialect::kTags: return kTagsErrors;
    case ErrorDialect::kCore: return kCoreErrors;
    case ErrorDialect::kLogs: return kLogsErrors;
  }
  return kMicrovmsErrors;
}

Refusal with_member(int status, std::string_view type, std::string_view member, std::string_view message) {
  json::object body;
  body[member] = to_utf8(message);
  return {status, std::string(type), json::serialize(body), std::nullopt};
}

}  // namespace

Refusal refusal(int status, std::string_view type, std::string_view message) {
  return with_member(status, type, "message", message);
}

Refusal validation(std::string_view message) { return refusal(400, "ValidationException", message); }

Refusal serialization(std::string_view message) {
  return with_member(400, "SerializationException", "Message", message);
}

Refusal service_refusal(const control::ServiceError& error, ErrorDialect dialect) {
  for (const ErrorShape& shape : error_shapes(dialect)) {
    if (shape.kind != error.kind) {
      continue;
    }
    json::object body;
    if (!shape.type_member.empty()) {
      body["Type"] = shape.type_member;
    }
    body[shape.message_member] = to_utf8(error.message);
    if (!shape.reason_member.empty()) {
      body["Reason"] = shape.reason_member;
    }
    for (const std::string_view member : shape.null_members) {
      body[member] = nullptr;
    }
    return {shape.status, std::string(shape.type), json::serialize(body), error.retry_after_seconds};
  }
  return refusal(500, "InternalServerException", error.message);
}

net::Response to_response(const Refusal& refusal) {
  net::Response response;
  response.status = refusal.status;
  response.headers.add("Content-Type", "application/json");
  response.headers.add("x-amzn-errortype", refusal.type);
  if (refusal.retry_after_seconds) {
    response.headers.add("Retry-After", std::to_string(*refusal.retry_after_seconds));
  }
  response.body = refusal.body;
  return response;
}

}  // namespace dormouse::api
