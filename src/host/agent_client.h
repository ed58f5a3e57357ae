// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"
#include "protocol/answers.h"
#include "protocol/requests.h"
#include "protocol/watch_decoder.h"

namespace dormouse::host {

// Why start_application() failed: `code` is the agent's (docs/formats/agent-protocol.md), empty when the agent was not
// understood or not reached.
struct StartFailure {
  std::string code;
  Error error;
};

// What exec() passes on while the process runs; from the thread that called it.
struct ExecStreams {
  std::function<void(std::string_view)> on_stdout;
  std::function<void(std::string_view)> on_stderr;
  int input = -1;  // read to its end as the process's standard input; -1: none
};

// Talks to the agent of one guest: one connection a call, each call blocks until answered or until its context ends it.
//
// The guest is taken for hostile: whatever it sends is checked, and breaking the protocol is kInternal, "guest agent: ...".
// What the agent refuses keeps the kind that it gave. Connecting is tried again, in short attempts, as long as the context
// lasts: the first connection to a guest just restored can be lost. So are requests that are harmless to repeat when the
// connection breaks before an answer; start_application, exec and shutdown are not.
//
// Speaks the version of the protocol that this agent does: that of the snapshot it is frozen in.
//
// Thread-safe if the connector is.
class AgentClient {
 public:
  // Gives a connected stream socket to the agent's port. Blocking or not: it is made non-blocking.
  using Connector = std::function<Result<UniqueFd>(const os::Context&)>;

  AgentClient(Connector connector, std::uint64_t version) : connector_(std::move(connector)), version_(version) {}

  Result<protocol::HelloAnswer> hello(const os::Context& context) const;
  tl::expected<void, StartFailure> start_application(const protocol::StartApplication& request,
                                                     const os::Context& context) const;
  Result<protocol::FreezeAnswer> freeze(const protocol::Freeze& request, const os::Context& context) const;
  // Their times are replaced by that of sending: a guest that was just restored takes its time to be reached.
  // Of restored(), success means that the guest confirmed it: reseeded with protocol::kEntropyBitsMin at least, and thawed if and
  // only if it was to be. A guest that does not may share its random numbers with its siblings, and must not run.
  Status restored(const protocol::Restored& request, const os::Context& context) const;
  Status thaw(const protocol::Thaw& request, const os::Context& context) const;

  // A non-blocking stream to 127.0.0.1:`port` (or [::1]) of the guest. kUnavailable when nobody listens there.
  Result<UniqueFd> connect(std::uint16_t port, const os::Context& context) const;

  // The process is killed when this returns before its end. `takes_stdin` of the request is set by `streams`.
  Result<protocol::ExecExit> exec(protocol::Exec request, const ExecStreams& streams, const os::Context& context) const;

  // A non-blocking connection on which a protocol::WatchDecoder(from) finds the application's output and end.
  Result<UniqueFd> watch(std::uint64_t from, const os::Context& context) const;

  // The guest writes its disks and powers off. Success: the application disk is complete; the machine ends by itself.
  Status shutdown(const os::Context& context) const;

 private:
  Result<UniqueFd> open(const os::Context& context) const;
  // The payload of the answer to a request that may be repeated.
  Result<std::string> ask(protocol::Request request, const os::Context& context) const;

  Connector connector_;
  std::uint64_t version_;  // of the protocol
};

}  // namespace dormouse::host
