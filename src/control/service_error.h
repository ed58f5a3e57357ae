// SPDX-License-Identifier: Apache-2.0
//
// The refusals of the service, as a client sees them (specification section 1.7). The API layer turns them into answers;
// nothing else decides about status codes.

#pragma once

#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace dormouse::control {

enum class ServiceErrorKind {
  kValidation,            // 400 ValidationException
  kAccessDenied,          // 403 AccessDeniedException
  kResourceNotFound,      // 404 ResourceNotFoundException
  kConflict,              // 409 ConflictException
  kServiceQuotaExceeded,  // 402 ServiceQuotaExceededException
  kThrottling,            // 429 ThrottlingException, with Retry-After
  kInternalServer,        // 500 InternalServerException
  kInsufficientCapacity,  // 500 InsufficientCapacityException
  kDeleteConflict,        // of iam alone
  kMalformedPolicy,       // of iam alone
};

struct ServiceError {
  ServiceErrorKind kind = ServiceErrorKind::kInternalServer;
  std::string message;  // for the tenant; no paths of the host
  std::optional<int> retry_after_seconds;
};

template <typename T>
using Answer = tl::expected<T, ServiceError>;

inline tl::unexpected<ServiceError> refuse(ServiceErrorKind kind, std::string message) {
  return tl::unexpected<ServiceError>(ServiceError{kind, std::move(message), std::nullopt});
}

}  // namespace dormouse::control
