// SPDX-License-Identifier: Apache-2.0

#include "host/application_end.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <variant>

#include <fmt/format.h>

#include "protocol/watch_decoder.h"

namespace dormouse::host {

VmExit to_vm_exit(const protocol::ApplicationExit& end) {
  VmExit exit;
  exit.cause = VmExit::Cause::kApplicationExited;
  exit.exit_code = end.status.exit_code;
  exit.signal = end.status.signal;
  exit.out_of_memory = end.out_of_memory;
  exit.last_output = end.last_output;
  // The service's wording; a process that a signal ended has the shell's exit code for it.
  exit.sentence = fmt::format("Container Stopped with Exit Code: {}",
                              end.status.exit_code ? *end.status.exit_code : 128 + end.status.signal.value_or(0));
  return exit;
}

Result<ApplicationEnd> application_end(const AgentClient& agent, const os::Context& context) {
  DM_ASSIGN(const UniqueFd watch, agent.watch(0, context), "");
  ApplicationEnd end;
  protocol::WatchDecoder decoder(0);
  std::array<char, 8192> piece;
  for (;;) {
    DM_TRY(context.wait(watch.get(), POLLIN, "read the application's end"), "");
    const ssize_t got = ::read(watch.get(), piece.data(), piece.size());
    if (got <= 0) {
      return fail(ErrorKind::kUnavailable, "the guest's agent does not tell how the application ended");
    }
    decoder.feed({piece.data(), static_cast<std::size_t>(got)});
    for (;;) {
      DM_ASSIGN(const std::optional<protocol::WatchEvent> event, decoder.next(), "");
      if (!event) {
        break;
      }
      if (const auto* const text = std::get_if<protocol::OutputChunk>(&*event)) {
        end.output += text->bytes;
        continue;
      }
      end.exit = to_vm_exit(std::get<protocol::ApplicationExit>(*event));
      return end;
    }
  }
}

}  // namespace dormouse::host
