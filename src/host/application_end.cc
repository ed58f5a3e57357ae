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

namespace {

constexpr std::size_t kOutputBytesMax = 1U << 20U;  // the agent keeps less; a guest that sends more breaks the protocol

Status append(std::string& output, const std::string& bytes) {
  output += bytes;
  if (output.size() > kOutputBytesMax) {
    return fail(ErrorKind::kInternal,
                fmt::format("guest agent: more than {} bytes of output came at once", kOutputBytesMax));
  }
  return {};
}

// Feeds `decoder` with what comes next. kUnavailable when nothing comes any more.
Status feed(protocol::WatchDecoder& decoder, int watch, const os::Context& context) {
  std::array<char, 8192> piece;
  DM_TRY(context.wait(watch, POLLIN, "read the application's output"), "");
  const ssize_t got = ::read(watch, piece.data(), piece.size());
  if (got <= 0) {
    return fail(ErrorKind::kUnavailable, "the guest's agent does not tell how the application ended");
  }
  decoder.feed({piece.data(), static_cast<std::size_t>(got)});
  return {};
}

}  // namespace

Result<ApplicationEnd> application_end(const AgentClient& agent, const os::Context& context) {
  DM_ASSIGN(const UniqueFd watch, agent.watch(0, context), "");
  ApplicationEnd end;
  protocol::WatchDecoder decoder(0);
  for (;;) {
    DM_ASSIGN(const std::optional<protocol::WatchEvent> event, decoder.next(), "");
    if (!event) {
      DM_TRY(feed(decoder, watch.get(), context), "");
    } else if (const auto* const text = std::get_if<protocol::OutputChunk>(&*event)) {
      DM_TRY(append(end.output, text->bytes), "");
    } else {
      end.exit = to_vm_exit(std::get<protocol::ApplicationExit>(*event));
      return end;
    }
  }
}

Result<OutputSoFar> output_so_far(const AgentClient& agent, std::uint64_t offset, const os::Context& context) {
  DM_ASSIGN(const UniqueFd watch, agent.watch(offset, context), "");
  OutputSoFar output;
  protocol::WatchDecoder decoder(offset);
  for (;;) {
    DM_ASSIGN(const std::optional<protocol::WatchEvent> event, decoder.next(), "");
    if (event && std::holds_alternative<protocol::OutputChunk>(*event)) {
      const auto& chunk = std::get<protocol::OutputChunk>(*event);
      output.lost += chunk.dropped;
      DM_TRY(append(output.bytes, chunk.bytes), "");
    }
    output.end = decoder.next_offset();
    const bool exited = event && std::holds_alternative<protocol::ApplicationExit>(*event);
    if (exited || (decoder.end_at_start() && output.end >= *decoder.end_at_start())) {
      return output;
    }
    if (!event) {
      DM_TRY(feed(decoder, watch.get(), context), "");
    }
  }
}

}  // namespace dormouse::host
