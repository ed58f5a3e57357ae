// SPDX-License-Identifier: Apache-2.0
//
// EndpointSession's way of one admitted request to the guest and back.

#include <sys/socket.h>

#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "base/log.h"
#include "base/scope_exit.h"
#include "proxy/endpoint_session.h"

namespace dormouse::proxy {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kReadAheadBytesMax = 16 * 1024;  // of the next request, taken while an answer is under way
constexpr int kAttemptsMax = 3;

using ErrorCode = boost::system::error_code;

bool failed_reading(const ErrorCode& error) { return error && error != http::error::need_buffer; }

}  // namespace

asio::awaitable<bool> EndpointSession::forward() {
  Outcome outcome = Outcome::kTryAgain;
  for (int attempt = 0; attempt < kAttemptsMax && outcome == Outcome::kTryAgain; ++attempt) {
    request_.revoked = false;
    request_.header_sent = false;
    const bool acquired = co_await acquire();
    if (!acquired) {
      outcome = aborted_ ? Outcome::kClose : Outcome::kGuestFailed;
      break;
    }
    const bool dialled = co_await dial();
    request_.telemetry.dialled(dialled);
    if (dialled) {
      outcome = co_await exchange();
    } else {
      outcome = failed();
    }
    close_guest();
    request_.lease.reset();
  }
  if (outcome == Outcome::kTryAgain || outcome == Outcome::kGuestFailed) {
    co_return co_await refuse(kBadGateway);
  }
  co_return outcome == Outcome::kAnswered;
}

asio::awaitable<bool> EndpointSession::acquire() {
  using Acquired = tl::expected<std::shared_ptr<control::Lease>, control::EndpointRefusal>;
  auto pending = std::make_shared<Pending<Acquired>>(client_.get_executor());
  const std::weak_ptr<Pending<Acquired>> answer_to = pending;
  const std::weak_ptr<EndpointSession> session = weak_from_this();
  const auto mailbox = context_.mailbox;
  const std::uint64_t number = ++request_number_;
  const std::function<void()> revoked = [mailbox, session, number] {
    mailbox->post([session, number] {
      if (const auto self = session.lock()) {
        self->revoke(number);
      }
    });
  };
  const control::LeaseHandler handler = [mailbox, answer_to](Acquired acquired) {
    mailbox->post([answer_to, acquired] {
      if (const auto waiting = answer_to.lock()) {
        waiting->set(acquired);  // else nobody waits any more: the lease goes back
      }
    });
  };
  const tracing::Cause cause = request_.telemetry.cause();
  const Status posted =
      context_.lookups.post([&backend = context_.backend, vm = request_.target.microvm_id, revoked, handler, cause] {
        backend.acquire(vm, revoked, handler, cause);
      });
  if (!posted) {
    co_return false;
  }
  cancel_wait_ = [answer_to] {
    if (const auto waiting = answer_to.lock()) {
      waiting->cancel();
    }
  };
  auto acquired = co_await Pending<Acquired>::wait(pending, context_.options.acquire_timeout);
  cancel_wait_ = nullptr;
  if (!acquired || !*acquired) {
    const int why =
        acquired ? static_cast<int>(acquired->error()) : static_cast<int>(control::EndpointRefusal::kTimeout);
    log::debug("endpoint: no lease", {{"vm", request_.target.microvm_id}, {"refusal", std::to_string(why)}});
    co_return false;
  }
  request_.lease = std::move(**acquired);
  request_.telemetry.acquired(request_.lease->origin());
  co_return !aborted_;
}

asio::awaitable<bool> EndpointSession::dial() {
  using Dialled = std::shared_ptr<Result<UniqueFd>>;  // shared: jobs are copied
  auto pending = std::make_shared<Pending<Dialled>>(client_.get_executor());
  const std::weak_ptr<Pending<Dialled>> answer_to = pending;
  const os::Context context(context_.cancellation, std::chrono::steady_clock::now() + context_.options.dial_timeout);
  const Status posted = context_.dials.post([&backend = context_.backend,
                                             mailbox = context_.mailbox,
                                             vm = request_.target.microvm_id,
                                             port = request_.port,
                                             context,
                                             answer_to] {
    auto dialled = std::make_shared<Result<UniqueFd>>(backend.dial(vm, port, context));
    mailbox->post([answer_to, dialled] {
      if (const auto waiting = answer_to.lock()) {
        waiting->set(dialled);
      }
    });
  });
  if (!posted) {
    co_return false;
  }
  cancel_wait_ = [answer_to] {
    if (const auto waiting = answer_to.lock()) {
      waiting->cancel();
    }
  };
  // Dials wait for a thread, too.
  const auto dialled =
      co_await Pending<Dialled>::wait(pending, context_.options.dial_timeout + context_.options.acquire_timeout);
  cancel_wait_ = nullptr;
  if (!dialled || request_.revoked || aborted_) {
    co_return false;
  }
  Result<UniqueFd>& socket = **dialled;
  if (!socket) {
    log::debug("endpoint: dial", {{"vm", request_.target.microvm_id}, {"error", socket.error().message()}});
    co_return false;
  }
  int family = 0;
  socklen_t length = sizeof family;
  if (::getsockopt(socket->get(), SOL_SOCKET, SO_DOMAIN, &family, &length) != 0) {
    co_return false;
  }
  ErrorCode error;
  guest_.emplace(client_.get_executor());
  guest_->assign(asio::generic::stream_protocol(family, 0), socket->get(), error);
  if (error) {
    co_return false;
  }
  [[maybe_unused]] const int owned = socket->release();
  if (family != AF_UNIX) {
    guest_->set_option(asio::ip::tcp::no_delay(true), error);
  }
  guest_buffer_.clear();
  co_return true;
}

asio::awaitable<EndpointSession::Outcome> EndpointSession::exchange() {
  auto& message = parser_->get();
  message.body().data = nullptr;
  message.body().size = 0;
  message.body().more = request_.has_body;
  serializer_.emplace(message);
  request_.header_sent = true;
  auto [error, size] = co_await http::async_write_header(*guest_, *serializer_, kAwait);
  if (error) {
    co_return failed();
  }
  touched();
  if (!request_.upgrade) {
    start_reading_client(read_client(shared_from_this()));
  }
  const Outcome outcome = co_await relay_answer();
  close_guest();
  co_await stop_reading_client();
  co_return outcome;
}

asio::awaitable<EndpointSession::Outcome> EndpointSession::relay_answer() {
  for (;;) {
    ResponseParser parser;
    parser.header_limit(static_cast<std::uint32_t>(context_.options.header_bytes_max));
    parser.body_limit(boost::none);
    parser.skip(request_.is_head);
    auto [error, size] = co_await http::async_read_header(*guest_, guest_buffer_, parser, kAwait);
    if (error) {
      co_return failed();
    }
    touched();
    const unsigned status = parser.get().result_int();
    if (status == 101) {
      if (!request_.upgrade) {
        co_return Outcome::kGuestFailed;
      }
      co_return co_await tunnel(parser);
    }
    if (status / 100 != 1) {
      co_return co_await send_answer(parser);
    }
    const ResponseHeader& interim = parser.get();
    const bool sent = co_await send_interim(interim);
    if (!sent) {
      co_return Outcome::kClose;
    }
  }
}

// "100 Continue" and the like (RFC 9110 section 15.2).
asio::awaitable<bool> EndpointSession::send_interim(ResponseHeader header) {
  if (request_.is_http10) {
    co_return true;
  }
  make_answerable(header, false, false, request_.id);
  http::response<http::empty_body> message(std::move(header));
  http::response_serializer<http::empty_body> serializer(message);
  auto [error, size] = co_await http::async_write_header(client_, serializer, kAwait);
  co_return !error;
}

asio::awaitable<EndpointSession::Outcome> EndpointSession::send_answer(ResponseParser& parser) {
  auto& message = parser.get();
  make_answerable(message, false, false, request_.id);
  request_.ends_with_connection = parser.need_eof();
  if (request_.is_http10 && message.chunked()) {
    message.chunked(false);
    request_.ends_with_connection = true;
  }
  const bool request_read = !request_.has_body || request_.body_complete;
  const bool keep_alive = request_.keep_alive && !request_.ends_with_connection && request_read && !finishing_;
  if (!keep_alive) {
    message.set(http::field::connection, "close");
  }
  message.body().data = nullptr;
  message.body().size = 0;
  message.body().more = !parser.is_done();
  ResponseSerializer serializer(message);
  request_.answer_begun = true;
  auto [header_error, header_size] = co_await http::async_write_header(client_, serializer, kAwait);
  request_.telemetry.answered(message.result_int());
  if (header_error) {
    co_return Outcome::kClose;
  }
  std::vector<char> piece(kPieceBytes);
  while (!parser.is_done()) {
    message.body().data = piece.data();
    message.body().size = piece.size();
    auto [read_error, read] = co_await http::async_read_some(*guest_, guest_buffer_, parser, kAwait);
    const std::size_t size = piece.size() - message.body().size;
    if (failed_reading(read_error)) {
      if (request_.ends_with_connection) {
        abort();  // an orderly end would make it look complete
      }
      co_return Outcome::kClose;
    }
    if (size == 0 && !parser.is_done()) {
      continue;
    }
    touched();
    message.body().data = size == 0 ? nullptr : piece.data();
    message.body().size = size;
    message.body().more = !parser.is_done();
    auto [write_error, written] = co_await http::async_write(client_, serializer, kAwait);
    if (failed_reading(write_error)) {
      co_return Outcome::kClose;
    }
  }
  if (request_.has_body && !request_.body_complete) {
    close_guest();
    co_await stop_reading_client();
    co_await drain_client();
  }
  co_return keep_alive && !client_gone_ ? Outcome::kAnswered : Outcome::kClose;
}

asio::awaitable<EndpointSession::Outcome> EndpointSession::tunnel(ResponseParser& parser) {
  make_answerable(parser.get(), true, request_.marker, request_.id);
  parser.get().body().more = false;
  ResponseSerializer serializer(parser.get());
  request_.answer_begun = true;
  auto [header_error, header_size] = co_await http::async_write_header(client_, serializer, kAwait);
  request_.telemetry.answered(101);
  if (header_error) {
    co_return Outcome::kClose;
  }
  start_reading_client(tunnel_inwards(shared_from_this()));
  std::vector<char> piece(kPieceBytes);
  std::size_t size = asio::buffer_copy(asio::buffer(piece), guest_buffer_.data());
  guest_buffer_.consume(size);
  for (;;) {
    if (size > 0) {
      touched();
      auto [write_error, written] = co_await asio::async_write(client_, asio::buffer(piece.data(), size), kAwait);
      if (write_error) {
        co_return Outcome::kClose;
      }
    }
    if (guest_buffer_.size() > 0) {
      size = asio::buffer_copy(asio::buffer(piece), guest_buffer_.data());
      guest_buffer_.consume(size);
      continue;
    }
    auto [read_error, read] = co_await guest_->async_read_some(asio::buffer(piece), kAwait);
    if (read_error) {
      co_return Outcome::kClose;
    }
    size = read;
  }
}

asio::awaitable<void> EndpointSession::tunnel_inwards(std::shared_ptr<EndpointSession> self) {
  const ScopeExit done([reader = self->client_reader_] { reader->set(true); });
  std::vector<char> piece(kPieceBytes);
  while (!self->stopping_reader_) {
    std::size_t size = asio::buffer_copy(asio::buffer(piece), self->client_buffer_.data());
    self->client_buffer_.consume(size);
    if (size == 0) {
      auto [read_error, read] = co_await self->client_.async_read_some(asio::buffer(piece), kAwait);
      if (read_error) {
        ErrorCode ignored;
        if (read_error == asio::error::eof && self->guest_) {
          self->guest_->shutdown(asio::socket_base::shutdown_send, ignored);
        } else if (!self->stopping_reader_) {
          self->client_gone_ = true;
          self->close_guest();
        }
        co_return;
      }
      size = read;
    }
    if (self->stopping_reader_ || !self->guest_) {
      co_return;
    }
    self->touched();
    auto [write_error, written] = co_await asio::async_write(*self->guest_, asio::buffer(piece.data(), size), kAwait);
    if (write_error) {
      co_return;  // the other direction sees why
    }
  }
}

asio::awaitable<void> EndpointSession::read_client(std::shared_ptr<EndpointSession> self) {
  const ScopeExit done([reader = self->client_reader_] { reader->set(true); });
  if (self->request_.has_body) {
    co_await self->send_body();
  }
  if (!self->request_.has_body || self->request_.body_complete) {
    co_await self->watch_client();
  }
}

asio::awaitable<void> EndpointSession::send_body() {
  std::vector<char> piece(kPieceBytes);
  auto& message = parser_->get();
  while (!parser_->is_done() && !stopping_reader_) {
    message.body().data = piece.data();
    message.body().size = piece.size();
    auto [read_error, read] = co_await http::async_read_some(client_, client_buffer_, *parser_, kAwait);
    const std::size_t size = piece.size() - message.body().size;
    if (failed_reading(read_error)) {
      if (!stopping_reader_) {
        client_gone_ = true;
        close_guest();
      }
      co_return;
    }
    if (size == 0 && !parser_->is_done()) {
      continue;
    }
    request_.body_begun = true;
    if (stopping_reader_ || !guest_) {
      co_return;
    }
    touched();
    message.body().data = size == 0 ? nullptr : piece.data();
    message.body().size = size;
    message.body().more = !parser_->is_done();
    auto [write_error, written] = co_await http::async_write(*guest_, *serializer_, kAwait);
    if (failed_reading(write_error)) {
      co_return;  // the guest takes no more; whether it answers is for the other coroutine
    }
  }
  request_.body_complete = parser_->is_done();
}

// Notices that the client has gone while the guest is still working for it. What it sends meanwhile is its next request.
asio::awaitable<void> EndpointSession::watch_client() {
  while (!stopping_reader_ && client_buffer_.size() < kReadAheadBytesMax) {
    const auto room = client_buffer_.prepare(kReadAheadBytesMax);
    auto [error, size] = co_await client_.async_read_some(room, kAwait);
    if (error) {
      if (!stopping_reader_) {
        client_gone_ = true;
        close_guest();
      }
      co_return;
    }
    client_buffer_.commit(size);
  }
}

void EndpointSession::start_reading_client(asio::awaitable<void> task) {
  client_reader_ = std::make_shared<Pending<bool>>(client_.get_executor());
  stopping_reader_ = false;
  context_.tasks.spawn("endpoint client", std::move(task));
}

asio::awaitable<void> EndpointSession::stop_reading_client() {
  if (!client_reader_) {
    co_return;
  }
  stopping_reader_ = true;
  const auto reader = client_reader_;
  for (bool ended = false; !ended;) {
    ErrorCode ignored;
    client_.socket().cancel(ignored);
    // A read that was just completing may begin another one inside of TLS: it is cancelled by the next round.
    const auto done = co_await Pending<bool>::wait(reader, std::chrono::milliseconds(20));
    ended = done.has_value();
  }
  client_reader_.reset();
  stopping_reader_ = false;
}

void EndpointSession::revoke(std::uint64_t request_number) {
  if (request_number != request_number_ || request_.revoked) {
    return;
  }
  request_.revoked = true;
  close_guest();
  if (request_.answer_begun) {
    watchdog_.expire_after(context_.options.linger_timeout);  // a client that reads nothing must not hold the VM
  }
}

EndpointSession::Outcome EndpointSession::failed() const {
  if (aborted_ || client_gone_) {
    return Outcome::kClose;
  }
  if (request_.revoked && !request_.body_begun && (!request_.header_sent || request_.idempotent)) {
    return Outcome::kTryAgain;
  }
  return Outcome::kGuestFailed;
}

void EndpointSession::close_guest() {
  if (guest_) {
    ErrorCode ignored;
    guest_->close(ignored);
  }
}

}  // namespace dormouse::proxy
