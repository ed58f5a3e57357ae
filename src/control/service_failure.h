// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>
#include <utility>

#include "base/error.h"
#include "control/service_error.h"

namespace dormouse::control {

// The answer to a tenant when the metadata store or the host fails: the details go to the log, not to the tenant. A page
// position that is none is the tenant's mistake and said so.
tl::unexpected<ServiceError> refuse_internally(std::string_view doing, const Error& error);

// `result`, or refuse_internally().
template <typename T>
Answer<T> answer_of(Result<T> result, std::string_view doing) {
  if (!result) {
    return refuse_internally(doing, result.error());
  }
  return *std::move(result);
}

// The answer to who wants something of a VM that is TERMINATING or TERMINATED.
tl::unexpected<ServiceError> refuse_ended(std::string_view microvm_id);

}  // namespace dormouse::control
