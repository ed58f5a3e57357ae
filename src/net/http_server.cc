// SPDX-License-Identifier: Apache-2.0

#include "net/http_server.h"

#include <charconv>
#include <cstring>
#include <exception>
#include <future>
#include <list>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/core.h>

#include "base/log.h"
#include "net/http_session.h"

namespace dormouse::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kAcceptPause{100};  // after an accept that failed, for want of descriptors mostly

Result<tcp::endpoint> parse_endpoint(std::string_view text) {
  const auto malformed = [text] {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("'{}' is no address to listen on: expected ADDRESS:PORT, such as 127.0.0.1:9600 or [::1]:9600",
                    text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return malformed();
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  std::uint16_t port = 0;
  const auto [end, parse_error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(std::string(host), error);
  if (error || parse_error != std::errc() || end != port_text.data() + port_text.size()) {
    return malformed();
  }
  return tcp::endpoint(address, port);
}

}  // namespace

// Everything but the constructor, listen() and stop() happens on thread_.
class HttpServer::Implementation {
 public:
  Implementation(Options options, Handler& handler, os::WorkerPool& workers)
      : options_(std::move(options)),
        handler_(handler),
        workers_(workers),
        work_(io_.get_executor()),
        stop_timer_(io_) {}

  // Before start().
  Result<std::uint16_t> listen(std::string_view address) {
    DM_ASSIGN(const tcp::endpoint endpoint, parse_endpoint(address), "");
    boost::system::error_code error;
    tcp::acceptor acceptor(io_);
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
      acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error && endpoint.address().is_v6()) {
      acceptor.set_option(asio::ip::v6_only(true), error);
    }
    if (!error) {
      acceptor.bind(endpoint, error);
    }
    if (!error) {
      acceptor.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
      return fail(Error::from_errno(error.value(), fmt::format("listen on {}", address)));
    }
    acceptors_.push_back(std::move(acceptor));
    return acceptors_.back().local_endpoint().port();
  }

  void start() {
    for (tcp::acceptor& acceptor : acceptors_) {
      ++accepting_;
      auto ended = [this](const std::exception_ptr& exception) {
        --accepting_;
        log_exception(exception, "the listener ended by an exception");
        end_if_done();
      };
      asio::co_spawn(io_, accept(acceptor), std::move(ended));
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  void stop() {
    asio::post(io_, [this] { begin_stop(); });
    thread_.join();
  }

 private:
  asio::awaitable<void> accept(tcp::acceptor& acceptor) {
    while (!stopping_) {
      auto [error, socket] = co_await acceptor.async_accept(kAwait);
      if (stopping_) {
        break;
      }
      if (error) {
        log::warning("a connection was not accepted", {{"reason", error.message()}});
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(kAwait);
        continue;
      }
      if (sessions_.size() >= options_.connections_max) {
        turn_away(socket);
        continue;
      }
      begin_session(std::move(socket));
    }
  }

  void begin_session(tcp::socket socket) {
    const auto session = sessions_.emplace(sessions_.end(), std::move(socket), options_, handler_, workers_);
    auto ended = [this, session](const std::exception_ptr& exception) {
      sessions_.erase(session);
      log_exception(exception, "a connection ended by an exception");
      end_if_done();
    };
    asio::co_spawn(io_, session->run(), std::move(ended));
  }

  // Says why in one write that does not wait; a client that does not read it is closed all the same.
  void turn_away(tcp::socket& socket) {
    const Response refusal =
        json_message(503, fmt::format("{} connections are open, the limit; retry", options_.connections_max));
    const auto& body = std::get<std::string>(refusal.body);
    const std::string text = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n{}",
        body.size(),
        body);
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void begin_stop() {
    stopping_ = true;
    boost::system::error_code ignored;
    for (tcp::acceptor& acceptor : acceptors_) {
      acceptor.close(ignored);
    }
    for (HttpSession& session : sessions_) {
      session.finish_soon();
    }
    stop_timer_.expires_after(options_.stop_timeout);
    stop_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) {
        for (HttpSession& session : sessions_) {
          session.close();
        }
      }
    });
    end_if_done();
  }

  void end_if_done() {
    if (stopping_ && accepting_ == 0 && sessions_.empty()) {
      stop_timer_.cancel();
      work_.reset();
    }
  }

  static void log_exception(const std::exception_ptr& exception, std::string_view message) {
    try {
      if (exception) {
        std::rethrow_exception(exception);
      }
    } catch (const std::exception& error) {
      log::error(message, {{"what", error.what()}});
    }
  }

  // Constant after construction.
  const Options options_;
  Handler& handler_;
  os::WorkerPool& workers_;

  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer stop_timer_;
  std::list<tcp::acceptor> acceptors_;
  std::list<HttpSession> sessions_;
  int accepting_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

HttpServer::HttpServer(Options options, Handler& handler, os::WorkerPool& workers)
    : options_(std::move(options)), handler_(handler), workers_(workers) {}

HttpServer::~HttpServer() { stop(); }

Status HttpServer::start() {
  auto implementation = std::make_unique<Implementation>(options_, handler_, workers_);
  std::vector<std::uint16_t> ports;
  for (const std::string& address : options_.listen) {
    DM_ASSIGN(const std::uint16_t port, implementation->listen(address), "");
    ports.push_back(port);
  }
  implementation->start();
  implementation_ = std::move(implementation);
  ports_ = std::move(ports);
  return {};
}

void HttpServer::stop() {
  if (implementation_) {
    implementation_->stop();
    implementation_.reset();
  }
}

}  // namespace dormouse::net
