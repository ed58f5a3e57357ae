// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include "base/error.h"
#include "host/agent_client.h"
#include "host/host.h"
#include "os/context.h"

namespace dormouse::host {

// How an application ended, and what it had written.
struct ApplicationEnd {
  VmExit exit;
  std::string output;  // as far as the agent still has it
};

// For a guest whose agent says that the application has exited. kUnavailable when it does not tell.
Result<ApplicationEnd> application_end(const AgentClient& agent, const os::Context& context);

// The agent's record in the host's words; the sentence is the service's.
VmExit to_vm_exit(const protocol::ApplicationExit& exit);

}  // namespace dormouse::host
