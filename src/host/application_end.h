// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
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

// What the application wrote from `offset` on, as far as the agent still has it, up to where it is now. For one that is
// frozen: one that runs may have written more by then.
struct OutputSoFar {
  std::uint64_t lost = 0;  // bytes after `offset` that the agent has no more
  std::string bytes;
  std::uint64_t end = 0;  // bytes that it ever wrote
};
Result<OutputSoFar> output_so_far(const AgentClient& agent, std::uint64_t offset, const os::Context& context);

// The agent's record in the host's words; the sentence is the service's.
VmExit to_vm_exit(const protocol::ApplicationExit& exit);

}  // namespace dormouse::host
