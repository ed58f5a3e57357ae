// SPDX-License-Identifier: Apache-2.0
//
// Private to proxy/: includes Asio and Beast.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>

#include "os/task_group.h"
#include "os/watchdog.h"
#include "os/worker_pool.h"
#include "proxy/client_stream.h"
#include "proxy/endpoint_rules.h"
#include "proxy/endpoint_server.h"
#include "proxy/pending.h"
#include "proxy/request_telemetry.h"
#include "proxy/vm_traffic.h"

namespace dormouse::proxy {

// What the sessions of a server have in common. On the I/O thread only, but for what is thread-safe by itself.
struct SessionContext {
  const EndpointServer::Options& options;
  EndpointBackend& backend;
  const TokenKeyring& keyring;
  const Clock& clock;
  os::WorkerPool& lookups;  // find_endpoint() and acquire(): short
  os::WorkerPool& dials;    // as long as dial_timeout
  os::Cancellation cancellation;
  std::shared_ptr<Mailbox> mailbox;
  os::TaskGroup& tasks;
  VmTraffic traffic;
};

// One client's connection and the request under way on it. On the I/O thread only; held by its own coroutines.
//
// The main coroutine (run) reads requests, obtains the guest's connection and sends answers. While an answer is under way a
// second one reads the client: first the request's body, then to notice that the client has gone.
class EndpointSession : public std::enable_shared_from_this<EndpointSession> {
 public:
  EndpointSession(ClientStream stream, SessionContext& context);

  static boost::asio::awaitable<void> run(std::shared_ptr<EndpointSession> self);

  void finish_soon();  // the request under way is the last; a connection without one is closed at once
  void abort();        // at once, with a reset

 private:
  template <typename T>
  using Task = boost::asio::awaitable<T>;
  using RequestParser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
  using ResponseParser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;
  using RequestSerializer = boost::beast::http::request_serializer<boost::beast::http::buffer_body>;
  using ResponseSerializer = boost::beast::http::response_serializer<boost::beast::http::buffer_body>;
  using GuestSocket = boost::asio::generic::stream_protocol::socket;

  // The request under way.
  struct Request {
    std::string id;  // x-amzn-requestid
    EndpointBackend::Target target;
    std::uint16_t port = 0;
    bool upgrade = false;
    bool marker = false;  // the subprotocol was offered
    bool has_body = false;
    bool is_head = false;
    bool idempotent = false;  // may be sent again although the guest may have seen it
    bool is_http10 = false;
    bool keep_alive = false;  // the client wishes it
    std::shared_ptr<control::Lease> lease;
    RequestTelemetry telemetry;
    bool revoked = false;
    bool header_sent = false;           // some of it, to the guest
    bool body_begun = false;            // some of it was taken from the client
    bool body_complete = false;         // all of it was taken from the client and sent
    bool answer_begun = false;          // some of it was sent to the client
    bool ends_with_connection = false;  // nothing but the connection's end marks the answer's
  };

  enum class Outcome { kAnswered, kTryAgain, kGuestFailed, kClose };

  Task<bool> handshake();
  Task<bool> serve_one();  // whether the connection can take another request
  Task<tl::expected<void, Refusal>> admit(const RequestHeader& header);
  Task<bool> refuse(Refusal refusal);

  Task<bool> forward();
  Task<bool> acquire();
  Task<bool> dial();
  Task<Outcome> exchange();
  Task<Outcome> relay_answer();
  Task<bool> send_interim(ResponseHeader header);
  Task<Outcome> send_answer(ResponseParser& parser);
  Task<Outcome> tunnel(ResponseParser& parser);

  static Task<void> read_client(std::shared_ptr<EndpointSession> self);     // body, then watch
  static Task<void> tunnel_inwards(std::shared_ptr<EndpointSession> self);  // client to guest
  Task<void> send_body();
  Task<void> watch_client();
  Task<void> stop_reading_client();
  void start_reading_client(Task<void> task);

  void revoke(std::uint64_t request_number);
  Outcome failed() const;  // what becomes of the request when the guest's connection failed before an answer
  void touched();          // bytes went through
  void close_guest();
  Task<void> close_client();
  Task<void> drain_client();

  SessionContext& context_;
  VmTraffic::Connection traffic_;
  ClientStream client_;
  os::Watchdog watchdog_;
  boost::beast::flat_buffer client_buffer_;
  std::optional<RequestParser> parser_;
  std::optional<RequestSerializer> serializer_;
  Request request_;
  std::uint64_t request_number_ = 0;  // so that a late revocation does not hit the next request
  std::optional<GuestSocket> guest_;
  boost::beast::flat_buffer guest_buffer_;

  std::shared_ptr<Pending<bool>> client_reader_;  // set when the second coroutine has ended; null without one
  bool stopping_reader_ = false;
  bool client_gone_ = false;
  std::function<void()> cancel_wait_;  // ends the wait for the backend that is under way
  bool idle_ = true;                   // between requests
  bool finishing_ = false;
  bool aborted_ = false;
  bool closing_ = false;  // everything was sent
};

}  // namespace dormouse::proxy
