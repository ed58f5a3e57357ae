// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include "base/error.h"
#include "cli/service.h"

namespace dormouse::cli {

// The ARN of a network connector: an ARN as it is, the name of a managed one (INTERNET_EGRESS), or the name or id of one
// of the account's own. kNotFound for one that is not there.
Result<std::string> connector_arn(Service& service, const std::string& name, const os::Context& context);

}  // namespace dormouse::cli
