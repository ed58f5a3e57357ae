// SPDX-License-Identifier: Apache-2.0

#include "proxy/endpoint_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/scope_exit.h"
#include "base/uuid.h"

namespace dormouse::proxy {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kDrainBytesMax = 64 * 1024 * 1024;

using ErrorCode = boost::system::error_code;

bool is_malformed(const ErrorCode& error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

bool is_idempotent(http::verb method) {  // RFC 9110 section 9.2.2
  switch (method) {
    case http::verb::get:
    case http::verb::head:
    case http::verb::options:
    case http::verb::trace:
    case http::verb::put:
    case http::verb::delete_: return true;
    default: return false;
  }
}

boost::core::string_view to_boost(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

EndpointSession::EndpointSession(ClientStream stream, SessionContext& context)
    : context_(context),
      traffic_(context.traffic),
      client_(std::move(stream)),
      watchdog_(client_.get_executor(), [this] { abort(); }) {
  ErrorCode ignored;
  client_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

asio::awaitable<void> EndpointSession::run(std::shared_ptr<EndpointSession> self) {
  const ScopeExit leave([&traffic = self->traffic_] { traffic.end(); });
  self->watchdog_.expire_after(self->context_.options.header_timeout);
  bool going_on = co_await self->handshake();
  if (!going_on) {
    self->abort();
    co_return;
  }
  while (going_on && !self->finishing_) {
    going_on = co_await self->serve_one();
  }
  co_await self->close_client();
}

void EndpointSession::finish_soon() {
  finishing_ = true;
  if (idle_) {
    ErrorCode ignored;
    client_.socket().close(ignored);
  }
}

void EndpointSession::abort() {
  ErrorCode ignored;
  aborted_ = true;
  watchdog_.stop();
  if (!closing_) {
    client_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  }
  client_.socket().close(ignored);
  close_guest();
  if (cancel_wait_) {
    cancel_wait_();
  }
}

asio::awaitable<bool> EndpointSession::handshake() {
  if (client_.tls() == nullptr) {
    co_return true;
  }
  auto [error] = co_await client_.tls()->async_handshake(asio::ssl::stream_base::server, kAwait);
  co_return !error;
}

asio::awaitable<bool> EndpointSession::serve_one() {
  request_ = Request{};
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(context_.options.header_bytes_max));
  parser_->body_limit(boost::none);
  idle_ = true;
  watchdog_.expire_after(context_.options.header_timeout);
  auto [error, size] = co_await http::async_read_header(client_, client_buffer_, *parser_, kAwait);
  idle_ = false;
  request_.id = make_uuid();
  if (error) {
    if (is_malformed(error)) {
      co_await refuse(kBadRequest);
    }
    co_return false;
  }
  RequestHeader& header = parser_->get();
  request_.telemetry.begin(context_.options.telemetry, header);
  request_.has_body = !parser_->is_done();
  request_.upgrade = is_upgrade(header, request_.has_body);
  request_.is_head = header.method() == http::verb::head;
  request_.idempotent = is_idempotent(header.method());
  request_.is_http10 = header.version() < 11;
  request_.keep_alive = !request_.is_http10 && parser_->get().keep_alive();
  if (!is_forwardable(header)) {
    request_.keep_alive = false;
    co_return co_await refuse(kBadRequest);
  }
  watchdog_.expire_after(context_.options.stream_idle_timeout);
  tl::expected<void, Refusal> admitted = co_await admit(header);
  if (!admitted) {
    const Refusal refusal = admitted.error();
    co_return co_await refuse(refusal);
  }
  const auto too_much =
      traffic_.begin_request(request_.target.microvm_id, request_.target.limits, context_.clock.steady());
  if (too_much) {
    const bool connections = too_much->what == TooMuch::What::kConnections;
    request_.keep_alive = request_.keep_alive && !connections;
    Refusal refusal = connections ? kTooManyConnections : kTooManyRequests;
    refusal.retry_after_seconds = too_much->retry_after_seconds;
    co_return co_await refuse(refusal);
  }
  const ScopeExit count([this] { traffic_.end_request(); });
  make_forwardable(header, request_.upgrade, request_.id);
  request_.telemetry.propagate(header);
  co_return co_await forward();
}

// Who asks, for which VM and port, and whether that is granted.
asio::awaitable<tl::expected<void, Refusal>> EndpointSession::admit(const RequestHeader& header) {
  const Offer offer = offer_of(header, request_.upgrade);
  request_.marker = offer.marker;
  if (offer.token.empty()) {
    co_return tl::unexpected(kMissingAuthentication);
  }
  const auto claims = context_.keyring.verify(offer.token, context_.clock.wall());
  if (!claims) {
    co_return tl::unexpected(claims.error() == TokenRefusal::kUnparsable ? kMissingAuthentication
                                                                         : kAuthenticationFailed);
  }
  using Found = std::optional<EndpointBackend::Target>;
  auto pending = std::make_shared<Pending<Found>>(client_.get_executor());
  const std::weak_ptr<Pending<Found>> answer_to = pending;
  const Status posted = context_.lookups.post(
      [&backend = context_.backend, mailbox = context_.mailbox, endpoint_id = endpoint_id_of(header), answer_to] {
        Found found = endpoint_id.empty() ? std::nullopt : backend.find_endpoint(endpoint_id);
        mailbox->post([answer_to, found = std::move(found)] {
          if (const auto waiting = answer_to.lock()) {
            waiting->set(found);
          }
        });
      });
  if (!posted) {
    co_return tl::unexpected(kTooManyRequests);
  }
  cancel_wait_ = [answer_to] {
    if (const auto waiting = answer_to.lock()) {
      waiting->cancel();
    }
  };
  const auto found = co_await Pending<Found>::wait(pending, context_.options.acquire_timeout);
  cancel_wait_ = nullptr;
  if (!found) {
    co_return tl::unexpected(kBadGateway);
  }
  if (!*found || (*found)->microvm_id != claims->microvm_id || (*found)->account != claims->account) {
    co_return tl::unexpected(kAuthenticationFailed);
  }
  if (claims->kind != TokenKind::kHttp) {
    co_return tl::unexpected(kBadGateway);
  }
  const auto port = offer.port ? parse_port(*offer.port) : std::optional(kDefaultPort);
  if (!port) {
    co_return tl::unexpected(kInvalidPort);
  }
  if (!claims->grants_port(*port)) {
    co_return tl::unexpected(kPortDenied);
  }
  request_.target = **found;
  request_.port = *port;
  request_.telemetry.admitted(request_.target);
  co_return tl::expected<void, Refusal>();
}

asio::awaitable<bool> EndpointSession::refuse(Refusal refusal) {
  request_.telemetry.refused(refusal);
  const bool unread = !parser_->is_done();
  const bool keep_alive = request_.keep_alive && !unread && !finishing_ && !client_gone_;
  http::response<http::string_body> response;
  response.version(11);
  response.result(refusal.status);
  response.set("x-amzn-requestid", request_.id);
  if (!refusal.text.empty()) {
    response.set(http::field::content_type, "text/plain");
    response.set(http::field::cache_control, "private, no-store");
  }
  if (refusal.retry_after_seconds > 0) {
    response.set(http::field::retry_after, std::to_string(refusal.retry_after_seconds));
  }
  response.content_length(refusal.text.size());
  response.keep_alive(keep_alive);
  if (!request_.is_head) {
    response.body() = to_boost(refusal.text);
  }
  watchdog_.expire_after(context_.options.header_timeout);
  auto [error, size] = co_await http::async_write(client_, response, kAwait);
  if (error) {
    co_return false;
  }
  if (unread) {
    co_await drain_client();
  }
  co_return keep_alive;
}

// Reads and drops what the client still sends: closing a socket with unread bytes resets it, and the client could lose the
// answer.
asio::awaitable<void> EndpointSession::drain_client() {
  watchdog_.expire_after(context_.options.linger_timeout);
  closing_ = true;
  if (client_.tls() == nullptr) {
    ErrorCode ignored;
    client_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  }
  std::vector<char> piece(16 * 1024);
  for (std::size_t total = 0; total < kDrainBytesMax;) {
    auto [error, size] = co_await client_.async_read_some(asio::buffer(piece), kAwait);
    if (error) {
      co_return;
    }
    total += size;
  }
}

asio::awaitable<void> EndpointSession::close_client() {
  closing_ = true;
  if (!aborted_) {
    watchdog_.expire_after(context_.options.linger_timeout);
    if (client_.tls() != nullptr) {
      co_await client_.tls()->async_shutdown(kAwait);
    } else {
      ErrorCode ignored;
      client_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    }
  }
  watchdog_.stop();
  ErrorCode ignored;
  client_.socket().close(ignored);
}

void EndpointSession::touched() {
  watchdog_.expire_after(context_.options.stream_idle_timeout);
  if (request_.lease && !request_.revoked) {
    request_.lease->activity();
  }
}

}  // namespace dormouse::proxy
