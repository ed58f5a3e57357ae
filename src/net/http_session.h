// SPDX-License-Identifier: Apache-2.0
//
// Private to net/: one connection of HttpServer. Includes Beast; no other folder may include this header.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "net/http.h"
#include "net/http_call.h"
#include "net/http_server.h"

namespace dormouse::net {

// One connection: reads requests, hands them to the handler through the workers, writes the answers. On the I/O thread
// only. run() ends when the connection does; the owner keeps the session until then.
class HttpSession {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket,
              const HttpServer::Options& options,
              Handler& handler,
              os::WorkerPool& workers);

  boost::asio::awaitable<void> run();

  // The request under way is the last one; a connection without one is closed at once.
  void finish_soon();
  void close();  // at once; a handler call under way still returns before run() does

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;

  boost::asio::awaitable<bool> serve_one();  // whether the connection can take another request
  boost::asio::awaitable<std::optional<Response>> answer_request(Parser& parser, const RequestHead& head);
  boost::asio::awaitable<bool> receive_body(Parser& parser, HttpCall& call);
  // These return whether all was sent; `response` is a pointer since it outlives the call.
  boost::asio::awaitable<bool> send(const Response* response, bool keep_alive, bool head_only);
  boost::asio::awaitable<bool> send_file(const FileRange& range);
  boost::asio::awaitable<bool> send_bytes(const char* bytes, std::size_t size);
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<bool> on_worker(const std::function<void()>& work);
  boost::asio::awaitable<void> answer_malformed(boost::beast::error_code error);
  tl::expected<RequestHead, Response> read_head(const Parser& parser) const;

  // Constant after construction.
  const HttpServer::Options& options_;
  Handler& handler_;
  os::WorkerPool& workers_;
  std::string peer_address_;

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::vector<char> piece_;  // body bytes on their way
  bool between_requests_ = true;
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace dormouse::net
