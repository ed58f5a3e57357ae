// SPDX-License-Identifier: Apache-2.0
//
// The guest's network as every snapshot has it: lo, and eth0 with 10.0.2.15/24 and the default route by 10.0.2.2.

#pragma once

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::agent {

Status bring_up_interfaces();

// Listens where only the host reaches it: 10.0.2.15, on eth0 alone.
Result<UniqueFd> listen_on_interface();

}  // namespace dormouse::agent
