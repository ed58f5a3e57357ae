// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "cli/service.h"
#include "os/context.h"

namespace dormouse::cli {

// Deletes what is at `path` and, with `wait`, waits until it is gone (404). `what` names it in progress and errors,
// `state_member` is where its record has its state; DELETE_FAILED there ends the wait.
Status delete_and_wait(const Invocation& invocation,
                       Service& service,
                       const std::string& path,
                       const std::string& what,
                       const char* state_member,
                       bool wait,
                       const os::Context& context);

}  // namespace dormouse::cli
