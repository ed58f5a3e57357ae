// SPDX-License-Identifier: Apache-2.0

#include "net/http_session.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <span>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/core.h>

#include "base/log.h"

namespace dormouse::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string to_peer_address(const asio::ip::tcp::socket& socket) {
  beast::error_code error;
  const asio::ip::tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) {
    return "unknown";
  }
  const std::string address = peer.address().to_string();
  return peer.address().is_v6() ? fmt::format("[{}]:{}", address, peer.port())
                                : fmt::format("{}:{}", address, peer.port());
}

// IMF-fixdate, RFC 9110 section 5.6.7.
std::string http_date() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm broken_down{};
  gmtime_r(&now, &broken_down);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &broken_down);
  return std::string(text, size);
}

// A field value may come from a client (metadata, overrides in a query): nothing in it may end the field.
std::string without_control_characters(std::string value) {
  for (char& c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
      c = ' ';
    }
  }
  return value;
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::uint64_t body_size(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) {
    return text->size();
  }
  return std::get<FileRange>(response.body).length;
}

std::string head_text(const Response& response, bool keep_alive) {
  const auto status = static_cast<unsigned>(response.status);
  const std::string_view reason = http::obsolete_reason(http::int_to_status(status));
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, reason);
  for (const auto& [name, value] : response.headers) {
    text += fmt::format("{}: {}\r\n", without_control_characters(name), without_control_characters(value));
  }
  if (status_has_body(response.status) && !response.headers.contains("Content-Length")) {
    text += fmt::format("Content-Length: {}\r\n", body_size(response));
  }
  text += fmt::format("Date: {}\r\nConnection: {}\r\n\r\n", http_date(), keep_alive ? "keep-alive" : "close");
  return text;
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket,
                         const HttpServer::Options& options,
                         Handler& handler,
                         os::WorkerPool& workers)
    : options_(options),
      handler_(handler),
      workers_(workers),
      peer_address_(to_peer_address(socket)),
      stream_(std::move(socket)) {
  beast::error_code ignored;  // only latency depends on it
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void HttpSession::finish_soon() {
  finishing_ = true;
  if (between_requests_) {
    close();
  }
}

void HttpSession::close() {
  closed_ = true;
  stream_.close();
}

asio::awaitable<void> HttpSession::run() {
  bool another = true;
  while (another && !closed_) {
    another = co_await serve_one();
  }
  close();
}

// Runs `work` on a worker while this coroutine waits; false if no worker took it. `work` outlives the wait.
asio::awaitable<bool> HttpSession::on_worker(const std::function<void()>& work) {
  stream_.expires_never();
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto initiate = [workers = &workers_, work = &work, executor](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    // The handler is moved out and ends on the I/O thread: it owns this coroutine while that waits.
    auto complete = [executor, shared](bool ran) {
      asio::post(executor, [shared, ran] {
        auto completed = std::move(*shared);
        std::move(completed)(ran);
      });
    };
    const Status posted = workers->post([work, complete] {
      (*work)();
      complete(true);
    });
    if (!posted) {
      log::warning("no worker for a request", {{"reason", posted.error().message()}});
      complete(false);
    }
  };
  const bool ran = co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(bool)>(std::move(initiate),
                                                                                             asio::use_awaitable);
  co_return ran;
}

tl::expected<RequestHead, Response> HttpSession::read_head(const Parser& parser) const {
  RequestHead head;
  const auto& message = parser.get();
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.peer_address = peer_address_;
  if (const auto scheme = head.target.find("://"); scheme != std::string::npos && head.target.front() != '/') {
    const auto path = head.target.find('/', scheme + 3);
    head.target = path == std::string::npos ? "/" : head.target.substr(path);
  }
  if (!head.target.starts_with('/')) {
    return refuse(json_message(400, fmt::format("malformed request: the target '{}' is no path", head.target)));
  }
  const auto question = head.target.find('?');
  head.path = head.target.substr(0, question);
  if (question != std::string::npos) {
    head.query = head.target.substr(question + 1);
  }
  for (const auto& field : message) {
    head.headers.add(std::string(field.name_string()), std::string(field.value()));
  }
  if (const auto length = parser.content_length()) {
    head.content_length = *length;
  }
  if (const auto expectation = head.headers.find("Expect");
      expectation && !equal_ignoring_case(*expectation, "100-continue")) {
    return refuse(
        json_message(417, fmt::format("the expectation '{}' is unknown; 100-continue is known", *expectation)));
  }
  return head;
}

asio::awaitable<bool> HttpSession::serve_one() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options_.head_bytes_max));
  parser.body_limit(boost::none);  // exchanges count
  between_requests_ = true;
  stream_.expires_after(options_.idle_timeout);
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, parser, kAwait);
  static_cast<void>(bytes);
  between_requests_ = false;
  if (error) {
    co_await answer_malformed(error);
    co_return false;
  }
  parser.eager(true);

  std::optional<Response> answer;
  tl::expected<RequestHead, Response> head = read_head(parser);
  if (head) {
    answer = co_await answer_request(parser, *head);
  } else {
    answer = std::move(head.error());
  }
  if (!answer || closed_) {
    co_return false;
  }
  const bool keep_alive = head && parser.is_done() && parser.keep_alive() && !finishing_;
  const bool head_only = parser.get().method() == http::verb::head;
  const bool sent = co_await send(&*answer, keep_alive, head_only);
  if (sent && !parser.is_done()) {
    co_await linger();
  }
  co_return sent&& keep_alive;
}

// The answer; none when the client is gone.
asio::awaitable<std::optional<Response>> HttpSession::answer_request(Parser& parser, const RequestHead& head) {
  HttpCall call(handler_, head);
  const std::function<void()> begin = [&call] { call.begin(); };
  const std::function<void()> finish = [&call] { call.finish(); };
  const std::function<void()> abandon = [&call] { call.abandon(); };
  const bool continue_expected = equal_ignoring_case(head.headers.find("Expect").value_or(""), "100-continue");

  bool ran = co_await on_worker(begin);
  bool connected = true;
  if (ran && !call.answered() && continue_expected && !parser.is_done() && buffer_.size() == 0) {
    connected = co_await send_bytes(kContinue.data(), kContinue.size());
  }
  if (ran && connected && !call.answered()) {
    connected = co_await receive_body(parser, call);
  }
  if (ran && connected && !call.answered()) {
    ran = co_await on_worker(finish);
  }
  if (call.open()) {
    co_await on_worker(abandon);
  }
  std::optional<Response> answer;
  if (connected) {
    answer = ran ? call.take_answer() : json_message(503, "the server is at its limit of requests; retry");
  }
  co_return answer;
}

// Passes the body on until it is complete or the call is answered; false when the client is gone.
asio::awaitable<bool> HttpSession::receive_body(Parser& parser, HttpCall& call) {
  piece_.resize(kBodyPieceMax);
  std::size_t filled = 0;
  const std::function<void()> deliver = [this, &call, &filled] {
    call.on_body(std::as_bytes(std::span(piece_.data(), filled)));
  };
  while (!call.answered() && !parser.is_done()) {
    auto& body = parser.get().body();
    body.data = piece_.data() + filled;
    body.size = piece_.size() - filled;
    body.more = true;
    stream_.expires_after(options_.transfer_timeout);
    const auto [error, bytes] = co_await http::async_read_some(stream_, buffer_, parser, kAwait);
    static_cast<void>(bytes);
    if (error && error != http::error::need_buffer) {
      co_return false;
    }
    filled = piece_.size() - body.size;
    if (filled > 0 && (filled == piece_.size() || parser.is_done() || error == http::error::need_buffer)) {
      if (!co_await on_worker(deliver)) {
        call.answer(json_message(503, "the server is at its limit of requests; retry"));
      }
      filled = 0;
    }
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::send(const Response* response, bool keep_alive, bool head_only) {
  std::string text = head_text(*response, keep_alive);
  const auto* file = std::get_if<FileRange>(&response->body);
  const bool with_body = !head_only && status_has_body(response->status);
  if (with_body && file == nullptr) {
    text += std::get<std::string>(response->body);
  }
  bool sent = co_await send_bytes(text.data(), text.size());
  if (sent && with_body && file != nullptr) {
    sent = co_await send_file(*file);
  }
  co_return sent;
}

asio::awaitable<bool> HttpSession::send_file(const FileRange& range) {
  piece_.resize(kBodyPieceMax);
  std::uint64_t sent = 0;
  ssize_t got = 0;
  const std::function<void()> read = [this, &range, &sent, &got] {
    const std::size_t wanted = std::min<std::uint64_t>(piece_.size(), range.length - sent);
    do {
      got = ::pread(range.file.get(), piece_.data(), wanted, static_cast<off_t>(range.offset + sent));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
      log::error("a file for an answer cannot be read", {{"reason", got < 0 ? std::to_string(errno) : "end of file"}});
    }
  };
  while (sent < range.length) {
    if (!co_await on_worker(read) || got <= 0) {
      co_return false;  // the length was promised: only the end of the connection can tell
    }
    if (!co_await send_bytes(piece_.data(), static_cast<std::size_t>(got))) {
      co_return false;
    }
    sent += static_cast<std::uint64_t>(got);
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::send_bytes(const char* bytes, std::size_t size) {
  while (size > 0) {
    stream_.expires_after(options_.transfer_timeout);
    const asio::const_buffer next(bytes, std::min(size, kBodyPieceMax));
    const auto [error, sent] = co_await stream_.async_write_some(next, kAwait);
    if (error) {
      co_return false;
    }
    bytes += sent;
    size -= sent;
  }
  co_return true;
}

// Reads and drops what the client still sends, so that the answer is not lost to a reset of the connection.
asio::awaitable<void> HttpSession::linger() {
  beast::error_code error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  piece_.resize(kBodyPieceMax);
  stream_.expires_after(options_.linger_timeout);
  std::uint64_t dropped = 0;
  while (!error && !closed_ && dropped < options_.linger_bytes_max) {
    const asio::mutable_buffer space(piece_.data(), piece_.size());
    const auto [read_error, got] = co_await stream_.async_read_some(space, kAwait);
    error = read_error;
    dropped += got;
  }
}

asio::awaitable<void> HttpSession::answer_malformed(beast::error_code error) {
  const bool malformed = error.category() == make_error_code(http::error::bad_target).category();
  if (!malformed || error == http::error::end_of_stream || error == http::error::partial_message || closed_) {
    co_return;  // the peer left, was silent for too long, or the connection broke
  }
  Response answer;
  if (error == http::error::header_limit) {
    answer = json_message(
        431, fmt::format("the request's head is longer than {} bytes, the limit", options_.head_bytes_max));
  } else {
    answer = json_message(400, fmt::format("malformed request: {}", error.message()));
  }
  if (co_await send(&answer, false, false)) {
    co_await linger();
  }
}

}  // namespace dormouse::net
