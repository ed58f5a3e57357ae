// SPDX-License-Identifier: Apache-2.0

#include "http_client/http_call.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "http_client/answer_parser.h"

namespace dormouse::http_client {

namespace {

constexpr std::size_t kPieceBytes = 16 * 1024;
// What a body may take after its head: the status decides, the body only explains.
constexpr std::chrono::milliseconds kBodyPatience{250};

bool would_block(int errno_value) { return errno_value == EAGAIN || errno_value == EWOULDBLOCK; }

Status check_field(std::string_view name, std::string_view value, bool spaces_allowed) {
  const bool printable = std::all_of(value.begin(), value.end(), [spaces_allowed](char c) {
    return c > 0x20 && c < 0x7f ? true : c == ' ' && spaces_allowed;
  });
  if (value.empty() || !printable) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("the request's {} is empty or has forbidden characters", name));
  }
  return {};
}

Result<std::string> serialize(const HttpRequest& request) {
  DM_TRY(check_field("path", request.path, false), "");
  DM_TRY(check_field("host", request.host, false), "");
  DM_TRY(check_field("content type", request.content_type, true), "");
  if (request.path.front() != '/') {
    return fail(ErrorKind::kInvalidArgument, "the request's path does not begin with '/'");
  }
  std::string text = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: dormouse\r\nConnection: close\r\n", request.path, request.host);
  if (!request.body.empty()) {
    text += fmt::format("Content-Type: {}\r\n", request.content_type);
  }
  text += fmt::format("Content-Length: {}\r\n\r\n", request.body.size());
  return text + request.body;
}

// Sends until all is sent, or the peer answers or closes instead of reading.
Status send_request(int socket, std::string_view rest, const os::Context& context) {
  while (!rest.empty()) {
    DM_ASSIGN(const short ready, context.wait(socket, POLLIN | POLLOUT, "send the request"), "");
    if ((ready & POLLOUT) == 0) {
      return {};
    }
    const ssize_t sent = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // the answer may be here all the same
    } else if (errno != EINTR && !would_block(errno)) {
      return fail_errno("send the request");
    }
  }
  return {};
}

// What arrived next; empty when the peer closed the connection or reset it.
Result<std::string_view> receive(int socket, std::array<char, kPieceBytes>& piece, const os::Context& context) {
  for (;;) {
    DM_TRY(context.wait(socket, POLLIN, "wait for the answer"), "");
    const ssize_t got = ::recv(socket, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got >= 0) {
      return std::string_view(piece.data(), static_cast<std::size_t>(got));
    }
    if (errno == ECONNRESET || errno == EPIPE) {
      return std::string_view();
    }
    if (errno != EINTR && !would_block(errno)) {
      return fail_errno("receive the answer");
    }
  }
}

Result<HttpAnswer> receive_answer(int socket, const os::Context& context) {
  AnswerParser parser;
  std::array<char, kPieceBytes> piece;
  while (parser.state() == AnswerParser::State::kHead) {
    DM_ASSIGN(const std::string_view bytes, receive(socket, piece, context), "");
    if (bytes.empty()) {
      return fail(ErrorKind::kUnavailable,
                  parser.bytes_seen() == 0
                      ? "the application closed the connection before it answered"
                      : fmt::format("the application closed the connection within its answer's head, after {} bytes",
                                    parser.bytes_seen()));
    }
    DM_TRY(parser.put(bytes), "");
  }
  // The status is known: nothing that happens to the body can take it back.
  const os::Context patience = context.within(kBodyPatience);
  while (parser.state() == AnswerParser::State::kBody) {
    const auto bytes = receive(socket, piece, patience);
    if (!bytes || bytes->empty() || !parser.put(*bytes)) {
      break;
    }
  }
  return parser.answer();
}

}  // namespace

Result<HttpAnswer> http_post(int socket, const HttpRequest& request, const os::Context& context) {
  const std::string doing = "POST " + request.path;
  DM_ASSIGN(const std::string text, serialize(request), doing);
  DM_TRY(send_request(socket, text, context), doing);
  DM_ASSIGN(HttpAnswer answer, receive_answer(socket, context), doing);
  return answer;
}

}  // namespace dormouse::http_client
