// SPDX-License-Identifier: Apache-2.0

#include "host/agent_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/core.h>

#include "protocol/frame.h"
#include "protocol/limits.h"

namespace dormouse::host {

using protocol::Frame;
using protocol::FrameType;

namespace {

constexpr std::chrono::milliseconds kAttemptMin{250};
constexpr std::chrono::milliseconds kAttemptMax{4000};
constexpr std::chrono::milliseconds kPause{20};
constexpr std::size_t kInputBytes = std::size_t{32} << 10;

// An answer that could not be had. `lost`: the connection broke before any of it came, so that asking again is sound.
struct Unanswered {
  Error error;
  bool lost = false;
  std::string code;  // of a refusal
};
template <typename T>
using Answer = tl::expected<T, Unanswered>;

Error broken_protocol(const Error& error) { return Error(ErrorKind::kInternal, "guest agent: " + error.message()); }

tl::unexpected<Unanswered> lost(std::string_view what) {
  return tl::unexpected(Unanswered{Error(ErrorKind::kUnavailable, "guest agent: " + std::string(what)), true, {}});
}
tl::unexpected<Unanswered> unanswered(Error error) { return tl::unexpected(Unanswered{std::move(error), false, {}}); }

Status set_nonblocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_errno("set O_NONBLOCK");
  }
  return {};
}

bool would_block() { return errno == EAGAIN || errno == EINTR; }

Answer<void> send_all(int socket, std::string_view bytes, const os::Context& context) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (!would_block()) {
      return lost("connection lost: " + Error::from_errno(errno, "send").message());
    } else if (auto ready = context.wait(socket, POLLOUT, "send to the guest agent"); !ready) {
      return unanswered(std::move(ready).error());
    }
  }
  return {};
}

Answer<std::string> receive_exactly(int socket, std::size_t size, const os::Context& context) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t count = ::recv(socket, bytes.data() + have, size - have, 0);
    if (count > 0) {
      have += static_cast<std::size_t>(count);
    } else if (count == 0) {
      return lost("connection closed without an answer");
    } else if (!would_block()) {
      return lost("connection lost: " + Error::from_errno(errno, "receive").message());
    } else if (auto ready = context.wait(socket, POLLIN, "wait for the guest agent"); !ready) {
      return unanswered(std::move(ready).error());
    }
  }
  return bytes;
}

// The one frame that answers a request, and not a byte of what follows it.
Answer<std::string> receive_answer(int socket, const os::Context& context) {
  auto header = receive_exactly(socket, protocol::kFrameHeaderBytes, context);
  if (!header) {
    return header;
  }
  protocol::FrameDecoder decoder;
  decoder.feed(*header);
  const auto type = static_cast<FrameType>((*header)[4]);
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    size |= std::size_t{static_cast<unsigned char>((*header)[i])} << (8 * i);
  }
  auto frame = decoder.next();  // checks type and length, and is the whole of an empty frame
  if (!frame) {
    return unanswered(broken_protocol(frame.error()));
  }
  if (type != FrameType::kAnswer && type != FrameType::kRefusal) {
    return unanswered(
        Error(ErrorKind::kInternal, fmt::format("guest agent: answered with a frame of type {}", int(type))));
  }
  auto payload = receive_exactly(socket, size, context);
  if (!payload || type == FrameType::kAnswer) {
    return payload;
  }
  auto refusal = protocol::decode_refusal(*payload);
  if (!refusal) {
    return unanswered(broken_protocol(refusal.error()));
  }
  return tl::unexpected(Unanswered{Error(refusal->kind, "guest agent: " + refusal->message), false, refusal->code});
}

Answer<std::string> ask_on(int socket,
                           const protocol::Request& request,
                           std::uint64_t version,
                           const os::Context& context) {
  auto payload = protocol::encode_request(request, version);
  if (!payload) {
    return unanswered(std::move(payload).error());
  }
  if (auto sent = send_all(socket, protocol::encode_frame(FrameType::kRequest, *payload), context); !sent) {
    return tl::unexpected(std::move(sent).error());
  }
  return receive_answer(socket, context);
}

// The time of a request that sets the guest's clock, as it is now that it is sent.
void set_time(protocol::Request& request) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t unix_time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  if (auto* const restored = std::get_if<protocol::Restored>(&request)) {
    restored->unix_time_ns = unix_time_ns;
  } else if (auto* const thaw = std::get_if<protocol::Thaw>(&request); thaw && thaw->unix_time_ns) {
    thaw->unix_time_ns = unix_time_ns;
  }
}

template <typename T>
Result<T> checked(Result<T> decoded) {
  return decoded ? std::move(decoded) : Result<T>(fail(broken_protocol(decoded.error())));
}

// Waits without an event but cancellation and deadline.
Status pause(const os::Context& context) {
  const os::Context brief = context.within(kPause);
  pollfd entry{context.cancellation().descriptor(), POLLIN, 0};
  ::poll(&entry, 1, static_cast<int>(brief.remaining().count()));
  return context.check("reach the guest agent");
}

}  // namespace

Result<UniqueFd> AgentClient::open(const os::Context& context) const {
  for (auto attempt = kAttemptMin;; attempt = std::min(attempt * 2, kAttemptMax)) {
    auto socket = connector_(context.within(attempt));
    if (socket) {
      DM_TRY(set_nonblocking(socket->get()), "reach the guest agent");
      return socket;
    }
    const ErrorKind kind = socket.error().kind();
    if (kind != ErrorKind::kUnavailable && kind != ErrorKind::kDeadlineExceeded) {
      return fail(std::move(socket).error().with_context("reach the guest agent"));
    }
    if (auto paused = pause(context); !paused) {
      return fail(Error(paused.error().kind(), paused.error().message() + ", last: " + socket.error().message()));
    }
  }
}

Result<std::string> AgentClient::ask(protocol::Request request, const os::Context& context) const {
  for (;;) {
    DM_ASSIGN(const UniqueFd socket, open(context), "");
    set_time(request);
    auto answer = ask_on(socket.get(), request, version_, context);
    if (answer) {
      return *std::move(answer);
    }
    if (!answer.error().lost) {
      return fail(std::move(answer).error().error);
    }
    if (auto paused = pause(context); !paused) {
      return fail(Error(paused.error().kind(), paused.error().message() + ", last: " + answer.error().error.message()));
    }
  }
}

Result<protocol::HelloAnswer> AgentClient::hello(const os::Context& context) const {
  DM_ASSIGN(const std::string answer, ask(protocol::Hello{}, context), "");
  return checked(protocol::decode_hello_answer(answer));
}

tl::expected<void, StartFailure> AgentClient::start_application(const protocol::StartApplication& request,
                                                                const os::Context& context) const {
  auto socket = open(context);
  if (!socket) {
    return tl::unexpected(StartFailure{{}, std::move(socket).error()});
  }
  auto answer = ask_on(socket->get(), request, version_, context);
  if (!answer) {
    return tl::unexpected(StartFailure{answer.error().code, answer.error().error});
  }
  if (auto empty = protocol::decode_empty_answer(*answer); !empty) {
    return tl::unexpected(StartFailure{{}, broken_protocol(empty.error())});
  }
  return {};
}

Result<protocol::FreezeAnswer> AgentClient::freeze(const protocol::Freeze& request, const os::Context& context) const {
  DM_ASSIGN(const std::string answer, ask(request, context), "");
  return checked(protocol::decode_freeze_answer(answer));
}

Status AgentClient::restored(const protocol::Restored& request, const os::Context& context) const {
  DM_ASSIGN(const std::string payload, ask(request, context), "");
  DM_ASSIGN(const protocol::RestoredAnswer answer, checked(protocol::decode_restored_answer(payload)), "");
  if (answer.entropy_bits < protocol::kEntropyBitsMin) {
    return fail(ErrorKind::kInternal,
                fmt::format("guest agent: it was reseeded with {} bits, and {} are the least: it must not run",
                            answer.entropy_bits,
                            protocol::kEntropyBitsMin));
  }
  if (answer.thawed != request.thaw) {
    return fail(ErrorKind::kInternal,
                fmt::format("guest agent: its application {}, and was {}to be",
                            answer.thawed ? "was thawed" : "was not thawed",
                            request.thaw ? "" : "not "));
  }
  return {};
}

Status AgentClient::thaw(const protocol::Thaw& request, const os::Context& context) const {
  DM_ASSIGN(const std::string answer, ask(request, context), "");
  return checked(protocol::decode_empty_answer(answer));
}

Result<UniqueFd> AgentClient::connect(std::uint16_t port, const os::Context& context) const {
  for (;;) {
    DM_ASSIGN(UniqueFd socket, open(context), "");
    auto answer = ask_on(socket.get(), protocol::Connect{port}, version_, context);
    if (answer) {
      DM_TRY(checked(protocol::decode_empty_answer(*answer)), "");
      return socket;
    }
    if (!answer.error().lost) {
      return fail(std::move(answer).error().error);
    }
    DM_TRY(pause(context), answer.error().error.message());
  }
}

Result<UniqueFd> AgentClient::watch(std::uint64_t from, const os::Context& context) const {
  DM_ASSIGN(UniqueFd socket, open(context), "");
  DM_ASSIGN(const std::string payload, protocol::encode_request(protocol::Watch{from}, version_), "");
  if (auto sent = send_all(socket.get(), protocol::encode_frame(FrameType::kRequest, payload), context); !sent) {
    return fail(std::move(sent).error().error);
  }
  return socket;
}

Status AgentClient::shutdown(const os::Context& context) const {
  DM_ASSIGN(const UniqueFd socket, open(context), "");
  const auto answer = ask_on(socket.get(), protocol::Shutdown{}, version_, context);
  if (!answer) {
    return fail(answer.error().error);
  }
  return checked(protocol::decode_empty_answer(*answer));
}

namespace {

// The pumping of one exec: input to the agent, frames back.
class ExecExchange {
 public:
  ExecExchange(int socket, const ExecStreams& streams) : socket_(socket), streams_(streams), input_(streams.input) {}

  Result<protocol::ExecExit> run(const os::Context& context) {
    for (;;) {
      DM_TRY(context.check("exec in the guest"), "");
      DM_TRY(wait(context), "");
      DM_TRY(pass_input(), "");
      DM_ASSIGN(auto exit, take_frames(), "");
      if (exit) {
        return *std::move(exit);
      }
    }
  }

 private:
  Status wait(const os::Context& context) {
    const bool reads_input = input_ >= 0 && outbox_.empty();
    const auto socket_events = static_cast<short>(POLLIN | (outbox_.empty() ? 0 : POLLOUT));
    std::array<pollfd, 3> entries{pollfd{socket_, socket_events, 0},
                                  pollfd{context.cancellation().descriptor(), POLLIN, 0},
                                  pollfd{reads_input ? input_ : -1, POLLIN, 0}};
    const auto timeout = std::min<std::int64_t>(context.remaining().count(), 1'000'000'000);
    if (::poll(entries.data(), entries.size(), static_cast<int>(timeout)) < 0 && errno != EINTR) {
      return fail_errno("poll");
    }
    input_ready_ = entries[2].revents != 0;
    return {};
  }

  Status pass_input() {
    if (std::exchange(input_ready_, false)) {
      std::array<char, kInputBytes> buffer;
      const ssize_t count = ::read(input_, buffer.data(), buffer.size());
      if (count > 0) {
        outbox_ = protocol::encode_frame(FrameType::kStdin, {buffer.data(), static_cast<std::size_t>(count)});
      } else if (count == 0) {
        outbox_ = protocol::encode_frame(FrameType::kStdinEnd, {});
        input_ = -1;
      } else if (!would_block()) {
        return fail_errno("read the input of exec");
      }
    }
    while (!outbox_.empty()) {
      const ssize_t count = ::send(socket_, outbox_.data(), outbox_.size(), MSG_NOSIGNAL);
      if (count < 0 && would_block()) {
        break;
      }
      if (count < 0) {
        outbox_.clear();  // the process may have ended: what the agent says of it comes before the end
        input_ = -1;
        break;
      }
      outbox_.erase(0, static_cast<std::size_t>(count));
    }
    return {};
  }

  Result<std::optional<protocol::ExecExit>> take_frames() {
    std::array<char, 65536> buffer;
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count == 0) {
      return fail(ErrorKind::kUnavailable, "guest agent: connection closed before the process ended");
    }
    if (count < 0) {
      return would_block() ? Result<std::optional<protocol::ExecExit>>(std::nullopt) : fail_errno("exec in the guest");
    }
    decoder_.feed({buffer.data(), static_cast<std::size_t>(count)});
    for (;;) {
      auto frame = decoder_.next();
      if (!frame) {
        return fail(broken_protocol(frame.error()));
      }
      if (!*frame) {
        return std::nullopt;
      }
      if ((*frame)->type == FrameType::kExit) {
        DM_ASSIGN(auto exit, checked(protocol::decode_exec_exit((*frame)->payload)), "");
        return std::optional(exit);
      }
      const bool is_error = (*frame)->type == FrameType::kStderr;
      if (!is_error && (*frame)->type != FrameType::kStdout) {
        return fail(ErrorKind::kInternal, fmt::format("guest agent: frame of type {} in an exec", int((*frame)->type)));
      }
      const auto& receiver = is_error ? streams_.on_stderr : streams_.on_stdout;
      if (receiver) {
        receiver((*frame)->payload);
      }
    }
  }

  const int socket_;
  const ExecStreams& streams_;
  int input_;
  bool input_ready_ = false;
  std::string outbox_;
  protocol::FrameDecoder decoder_;
};

}  // namespace

Result<protocol::ExecExit> AgentClient::exec(protocol::Exec request,
                                             const ExecStreams& streams,
                                             const os::Context& context) const {
  request.takes_stdin = streams.input >= 0;
  DM_ASSIGN(const UniqueFd socket, open(context), "");
  const auto answer = ask_on(socket.get(), request, version_, context);
  if (!answer) {
    return fail(answer.error().error);
  }
  DM_TRY(checked(protocol::decode_empty_answer(*answer)), "");
  return ExecExchange(socket.get(), streams).run(context);
}

}  // namespace dormouse::host
