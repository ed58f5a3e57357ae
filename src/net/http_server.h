// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/http.h"
#include "os/worker_pool.h"

namespace dormouse::net {

// An HTTP/1.1 server without TLS: the API port.
//
// One I/O thread of its own moves bytes; the handler and its exchanges are called through `workers` alone. Bodies pass in
// pieces in both directions, none is ever held whole. "100 Continue" is sent only when begin() has accepted the head.
// Requests of one connection are answered one after the other.
//
// What is no HTTP is answered 400, a head over the limit 431, a connection over the limit 503, each with a JSON message. A
// peer that stays silent for longer than the timeouts is disconnected.
//
// start() and stop() are for one owner thread; `handler` and `workers` outlive the server.
class HttpServer {
 public:
  struct Options {
    std::vector<std::string> listen = {"127.0.0.1:9600"};  // "address:port", IPv6 in brackets; port 0: any free one
    std::size_t head_bytes_max = 64 * 1024;                // request line and header fields
    std::size_t connections_max = 1'000;
    std::chrono::milliseconds idle_timeout{
        75'000};  // from one answer (or the connection) to the next request's whole head
    std::chrono::milliseconds transfer_timeout{60'000};  // without one byte of a body received or of an answer sent
    std::chrono::milliseconds linger_timeout{5'000};     // that the rest of a refused body is read and dropped
    std::uint64_t linger_bytes_max = 256 * 1024 * 1024;
    std::chrono::milliseconds stop_timeout{10'000};  // that requests under way get to finish in stop()
  };

  HttpServer(Options options, Handler& handler, os::WorkerPool& workers);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens, and returns once clients can connect. kInvalidArgument for an address that is none, else the errno's kind.
  Status start();

  // Stops listening, closes idle connections, lets requests under way finish within stop_timeout, cuts the rest off and
  // waits for handler calls to return. Idempotent.
  void stop();

  // The ports in use, in the order of Options::listen. Empty before start().
  const std::vector<std::uint16_t>& ports() const { return ports_; }

 private:
  class Implementation;

  // Constant after construction.
  const Options options_;
  Handler& handler_;
  os::WorkerPool& workers_;

  std::unique_ptr<Implementation> implementation_;  // while started
  std::vector<std::uint16_t> ports_;
};

}  // namespace dormouse::net
