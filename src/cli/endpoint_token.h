// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cli/service.h"

namespace dormouse::cli {

// A token for the endpoint of a VM, good for `minutes` (60 at most) and for `ports`, or for all ports if there are none.
Result<std::string> create_token(Service& service,
                                 const std::string& microvm_id,
                                 const std::vector<int>& ports,
                                 int minutes,
                                 const os::Context& context);

// A token for a shell in a VM that was launched with SHELL_INGRESS.
Result<std::string> create_shell_token(Service& service,
                                       const std::string& microvm_id,
                                       int minutes,
                                       const os::Context& context);

inline constexpr const char* kTokenHeader = "X-aws-proxy-auth";

}  // namespace dormouse::cli
