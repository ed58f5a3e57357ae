// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include "base/error.h"
#include "control/service_error.h"

namespace dormouse::control {

// The answer to a tenant when the metadata store or the host fails: the details go to the log, not to the tenant. A page
// position that is none is the tenant's mistake and said so.
tl::unexpected<ServiceError> refuse_internally(std::string_view doing, const Error& error);

}  // namespace dormouse::control
