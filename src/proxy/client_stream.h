// SPDX-License-Identifier: Apache-2.0
//
// Private to proxy/: includes Asio and Beast.

#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace dormouse::proxy {

// A client's connection, with TLS or without: a stream in Asio's sense, so that one session serves both.
class ClientStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Tls = boost::beast::ssl_stream<Socket>;
  using executor_type = Socket::executor_type;
  using ErrorCode = boost::system::error_code;

  explicit ClientStream(Socket socket) : plain_(std::make_unique<Socket>(std::move(socket))) {}
  ClientStream(Socket socket, boost::asio::ssl::context& context)
      : tls_(std::make_unique<Tls>(std::move(socket), context)) {}

  executor_type get_executor() { return socket().get_executor(); }
  Socket& socket() { return tls_ ? tls_->next_layer() : *plain_; }
  Tls* tls() { return tls_.get(); }  // nullptr without TLS

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const auto initiate = [this](auto handler, const Buffers& into) {
      if (tls_) {
        tls_->async_read_some(into, std::move(handler));
      } else {
        plain_->async_read_some(into, std::move(handler));
      }
    };
    return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(initiate, token, buffers);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const auto initiate = [this](auto handler, const Buffers& from) {
      if (tls_) {
        tls_->async_write_some(from, std::move(handler));
      } else {
        plain_->async_write_some(from, std::move(handler));
      }
    };
    return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(initiate, token, buffers);
  }

 private:
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<Socket> plain_;
};

}  // namespace dormouse::proxy
