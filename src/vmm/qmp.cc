// SPDX-License-Identifier: Apache-2.0

#include "vmm/qmp.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <boost/json.hpp>

#include "os/unix_socket.h"

namespace dormouse::vmm {
namespace json = boost::json;

Result<Qmp> Qmp::connect(const std::filesystem::path& path, const os::Context& context) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    return fail_errno("socket");
  }
  DM_ASSIGN(const os::UnixAddress address, os::unix_address(path), "");
  if (::connect(socket.get(), address.get(), sizeof address.address) != 0) {
    return fail_errno("connect to " + path.string());
  }
  Qmp qmp(std::move(socket));
  DM_ASSIGN(const json::object greeting, qmp.read_message(context), "QMP greeting");
  if (!greeting.contains("QMP")) {
    return fail(ErrorKind::kInternal, "QMP greeting: not of the expected form");
  }
  DM_TRY(qmp.execute("qmp_capabilities", context), "");
  return qmp;
}

Result<json::object> Qmp::execute(std::string_view command,
                                  json::object arguments,
                                  const os::Context& context,
                                  int descriptor) {
  DM_ASSIGN(json::value answer, execute_any(command, std::move(arguments), context, descriptor), "");
  return answer.is_object() ? std::move(answer.get_object()) : json::object();
}

Result<json::value> Qmp::execute_any(std::string_view command,
                                     json::object arguments,
                                     const os::Context& context,
                                     int descriptor) {
  const std::string doing = "QMP " + std::string(command);
  json::object message;
  message["execute"] = command;
  message["arguments"] = std::move(arguments);
  const std::string text = json::serialize(message) + "\n";

  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  }
  // Commands are far smaller than the socket's buffer: a short write means that QEMU stopped reading.
  const ssize_t sent = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL);
  if (sent < 0) {
    return fail_errno(doing);
  }
  if (static_cast<std::size_t>(sent) != text.size()) {
    return fail(ErrorKind::kUnavailable, doing + ": QEMU does not read");
  }
  for (;;) {
    DM_ASSIGN(json::object answer, read_message(context), doing);
    if (answer.contains("event")) {
      keep(std::move(answer));
    } else if (const json::value* const error = answer.if_contains("error")) {
      const json::value* const text_of = error->is_object() ? error->get_object().if_contains("desc") : nullptr;
      return fail(ErrorKind::kInternal,
                  doing + ": " + (text_of && text_of->is_string() ? std::string(text_of->get_string()) : "refused"));
    } else if (json::value* const result = answer.if_contains("return")) {
      return std::move(*result);
    } else {
      return fail(ErrorKind::kInternal, doing + ": answer not of the expected form");
    }
  }
}

Result<Qmp::Event> Qmp::next_event(const os::Context& context) {
  for (;;) {
    if (auto event = take_event()) {
      return *std::move(event);
    }
    DM_ASSIGN(json::object message, read_message(context), "wait for a QMP event");
    keep(std::move(message));
  }
}

Status Qmp::pump() {
  for (;;) {
    while (const auto line = take_line()) {
      boost::system::error_code error;
      json::value message = json::parse(*line, error);
      if (error || !message.is_object()) {
        return fail(ErrorKind::kInternal, "QMP: a line that is no JSON object");
      }
      keep(std::move(message.get_object()));
    }
    DM_ASSIGN(const bool more, read_some(), "");
    if (!more) {
      return {};
    }
  }
}

std::optional<Qmp::Event> Qmp::take_event() {
  if (events_.empty()) {
    return std::nullopt;
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Result<json::object> Qmp::read_message(const os::Context& context) {
  for (;;) {
    if (const auto line = take_line()) {
      boost::system::error_code error;
      json::value message = json::parse(*line, error);
      if (error || !message.is_object()) {
        return fail(ErrorKind::kInternal, "QMP: a line that is no JSON object");
      }
      return std::move(message.get_object());
    }
    DM_TRY(context.wait(socket_.get(), POLLIN, "wait for QEMU"), "");
    DM_TRY(read_some(), "");
  }
}

Result<bool> Qmp::read_some() {
  std::array<char, 8192> piece;
  const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return false;
  }
  if (got < 0) {
    return fail_errno("read from QEMU");
  }
  if (got == 0) {
    return fail(ErrorKind::kUnavailable, "QEMU closed the connection");
  }
  buffer_.append(piece.data(), static_cast<std::size_t>(got));
  if (buffer_.size() > kLineBytesMax) {
    return fail(ErrorKind::kInternal, "QMP: a line longer than " + std::to_string(kLineBytesMax) + " bytes");
  }
  return true;
}

std::optional<std::string> Qmp::take_line() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos) {
    return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

void Qmp::keep(json::object&& message) {
  const json::value* const name = message.if_contains("event");
  if (!name || !name->is_string()) {
    return;  // a late answer to a command that was given up
  }
  Event event{std::string(name->get_string()), {}};
  if (json::value* const data = message.if_contains("data"); data && data->is_object()) {
    event.data = std::move(data->get_object());
  }
  events_.push_back(std::move(event));
  if (events_.size() > kEventsMax) {
    events_.pop_front();
  }
}

bool is_out_of_space(const Qmp::Event& event) {
  // `nospace` is there only where the error stops the VM; where it is reported to the guest the reason's text says it.
  const json::value* const full = event.data.if_contains("nospace");
  const json::value* const reason = event.data.if_contains("reason");
  return event.name == "BLOCK_IO_ERROR" &&
         ((full && full->is_bool() && full->get_bool()) ||
          (reason && reason->is_string() && reason->get_string() == "No space left on device"));
}

}  // namespace dormouse::vmm
