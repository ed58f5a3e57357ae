// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/command.h"

namespace dormouse::cli {

// Waits until the VM is in the state `wanted` and answers its record. kConflict with the VM's reason when it is
// terminated instead.
Result<boost::json::value> wait_for_state(Invocation& invocation,
                                          Service& service,
                                          const std::string& microvm_id,
                                          std::string_view wanted,
                                          const os::Context& context);

}  // namespace dormouse::cli
