// SPDX-License-Identifier: Apache-2.0

#include "control/service_failure.h"

#include <fmt/core.h>

#include "base/log.h"

namespace dormouse::control {

tl::unexpected<ServiceError> refuse_internally(std::string_view doing, const Error& error) {
  if (error.kind() == ErrorKind::kInvalidArgument) {
    return refuse(ServiceErrorKind::kValidation, "The nextToken is not one of this listing");
  }
  log::error("a request failed", {{"doing", std::string(doing)}, {"error", error.message()}});
  if (error.kind() == ErrorKind::kResourceExhausted) {
    return refuse(ServiceErrorKind::kInternalServer, "The daemon's disk is full: nothing can be recorded.");
  }
  return refuse(ServiceErrorKind::kInternalServer, "An internal error occurred; the daemon's log has the details.");
}

tl::unexpected<ServiceError> refuse_ended(std::string_view microvm_id) {
  return refuse(ServiceErrorKind::kValidation,
                fmt::format("The MicroVM {} has been terminated and its state cannot be changed.", microvm_id));
}

}  // namespace dormouse::control
