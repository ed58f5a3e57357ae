// SPDX-License-Identifier: Apache-2.0

#include "proxy/endpoint_server.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <set>
#include <stdexcept>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/ssl.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "os/io_thread.h"
#include "proxy/endpoint_session.h"

namespace dormouse::proxy {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kLookupThreadsMax = 4;

using ErrorCode = boost::system::error_code;

Result<tcp::endpoint> parse_listen_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  ErrorCode error;
  const auto address = asio::ip::make_address(host, error);
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const char* const begin = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto parsed = std::from_chars(begin, end, port);
  if (error || parsed.ec != std::errc() || parsed.ptr != end) {
    return fail(ErrorKind::kInvalidArgument,
                "endpoint address '" + text + "': no address and port; write it like 127.0.0.1:9643 or [::1]:9643");
  }
  return tcp::endpoint(address, port);
}

// HTTP/1.1 is all that is offered; a client that speaks only something else is told so (RFC 7301 section 3.2).
int select_protocol(SSL*,
                    const unsigned char** out,
                    unsigned char* out_length,
                    const unsigned char* in,
                    unsigned int in_length,
                    void*) {
  static constexpr unsigned char kOffered[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, kOffered, sizeof kOffered - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

void configure(ssl::context& context, const ServerCertificate& certificate) {
  context.use_certificate_chain(asio::buffer(certificate.chain_pem));
  context.use_private_key(asio::buffer(certificate.private_key_pem), ssl::context::pem);
  if (SSL_CTX_check_private_key(context.native_handle()) != 1 ||
      SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION) != 1) {
    throw std::runtime_error("the certificate and the key do not belong together");
  }
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_alpn_select_cb(context.native_handle(), select_protocol, nullptr);
}

// Why a family that the host lacks cannot be listened on.
bool lacks_family(const ErrorCode& error) {
  return error == asio::error::address_family_not_supported || error.value() == EADDRNOTAVAIL;
}

}  // namespace

class EndpointServer::Implementation {
 public:
  Implementation(Options options,
                 ServerCertificate certificate,
                 EndpointBackend& backend,
                 const TokenKeyring& keyring,
                 const Clock& clock)
      : options_(std::move(options)),
        certificate_(std::move(certificate)),
        tls_(ssl::context::tls_server),
        lookups_({kLookupThreadsMax, options_.connections_max + 1}),
        dials_({options_.dial_threads_max, options_.connections_max + 1}),
        io_("endpoint"),
        mailbox_(std::make_shared<Mailbox>(io_.context())),
        tasks_(io_.context().get_executor()),
        pause_(io_.context()),
        context_{options_,
                 backend,
                 keyring,
                 clock,
                 lookups_,
                 dials_,
                 {},
                 mailbox_,
                 tasks_,
                 VmTraffic(options_.requests_per_vm_max)} {}

  ~Implementation() { stop(); }

  Result<std::vector<std::uint16_t>> start() {
    try {
      configure(tls_, certificate_);
    } catch (const std::runtime_error& error) {
      return fail(ErrorKind::kInvalidArgument, std::string("endpoint certificate: ") + error.what());
    }
    return io_.run([this]() -> Result<std::vector<std::uint16_t>> {
      std::vector<std::uint16_t> ports;
      for (const bool with_tls : {true, false}) {
        for (const std::string& text : with_tls ? options_.listen : options_.listen_plain) {
          DM_ASSIGN(const std::uint16_t port, listen(text, with_tls), "");
          ports.push_back(port);
        }
      }
      if (acceptors_.empty()) {
        return fail(ErrorKind::kInvalidArgument, "endpoint: none of the addresses can be listened on");
      }
      for (const Listener& listener : acceptors_) {
        tasks_.spawn("endpoint listener", accept(listener));
      }
      return ports;
    });
  }

  void stop() {
    if (stopped_) {
      return;
    }
    stopped_ = true;
    std::promise<void> ended;
    auto all_ended = ended.get_future();
    io_.run([this, &ended] {
      stopping_ = true;
      pause_.cancel();
      for (const Listener& listener : acceptors_) {
        ErrorCode ignored;
        listener.acceptor->close(ignored);
      }
      for (EndpointSession* session : sessions_) {
        session->finish_soon();
      }
      tasks_.when_empty([&ended] { ended.set_value(); });
    });
    if (all_ended.wait_for(options_.stop_timeout) != std::future_status::ready) {
      context_.cancellation.cancel();
      io_.run([this] {
        for (EndpointSession* session : sessions_) {
          session->abort();
        }
      });
      all_ended.wait();
    }
    context_.cancellation.cancel();
    lookups_.stop();
    dials_.stop();
    mailbox_->close();
    io_.run([] {});  // whatever the last task's handler still did is over
  }

 private:
  struct Listener {
    std::shared_ptr<tcp::acceptor> acceptor;
    bool with_tls = true;
  };

  Result<std::uint16_t> listen(const std::string& text, bool with_tls) {
    DM_ASSIGN(const tcp::endpoint endpoint, parse_listen_address(text), "");
    auto acceptor = std::make_shared<tcp::acceptor>(io_.context());
    ErrorCode error;
    acceptor->open(endpoint.protocol(), error);
    if (!error) {
      acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error && endpoint.protocol() == tcp::v6()) {
      acceptor->set_option(asio::ip::v6_only(true), error);
    }
    if (!error) {
      acceptor->bind(endpoint, error);
    }
    if (!error) {
      acceptor->listen(asio::socket_base::max_listen_connections, error);
    }
    if (lacks_family(error) && endpoint.protocol() == tcp::v6()) {
      log::warning("the endpoint does not listen on an address that the host lacks", {{"address", text}});
      return std::uint16_t{0};
    }
    if (error) {
      return fail(Error::from_errno(error.value(), "listen on " + text));
    }
    const std::uint16_t port = acceptor->local_endpoint(error).port();
    acceptors_.push_back({std::move(acceptor), with_tls});
    return port;
  }

  asio::awaitable<void> accept(Listener listener) {
    while (!stopping_) {
      tcp::socket socket(io_.context());
      auto [error] = co_await listener.acceptor->async_accept(socket, kAwait);
      if (error && !stopping_) {  // out of descriptors, for one
        pause_.expires_after(std::chrono::milliseconds(100));
        co_await pause_.async_wait(kAwait);
        continue;
      }
      if (error || stopping_ || sessions_.size() >= options_.connections_max) {
        continue;  // closes it
      }
      if (listener.with_tls) {
        tasks_.spawn("endpoint session",
                     serve(std::make_shared<EndpointSession>(ClientStream(std::move(socket), tls_), context_)));
      } else {
        tasks_.spawn("endpoint session",
                     serve(std::make_shared<EndpointSession>(ClientStream(std::move(socket)), context_)));
      }
    }
  }

  asio::awaitable<void> serve(std::shared_ptr<EndpointSession> session) {
    sessions_.insert(session.get());
    const ScopeExit end([this, raw = session.get()] { sessions_.erase(raw); });
    co_await EndpointSession::run(std::move(session));
  }

  // Constant after start().
  const Options options_;
  const ServerCertificate certificate_;
  ssl::context tls_;

  os::WorkerPool lookups_;
  os::WorkerPool dials_;
  os::IoThread io_;
  std::shared_ptr<Mailbox> mailbox_;
  bool stopped_ = false;

  // Used on the I/O thread only.
  os::TaskGroup tasks_;
  asio::steady_timer pause_;
  std::vector<Listener> acceptors_;
  std::set<EndpointSession*> sessions_;
  bool stopping_ = false;
  SessionContext context_;
};

EndpointServer::EndpointServer(Options options,
                               ServerCertificate certificate,
                               EndpointBackend& backend,
                               const TokenKeyring& keyring,
                               const Clock& clock)
    : implementation_(
          std::make_unique<Implementation>(std::move(options), std::move(certificate), backend, keyring, clock)) {}

EndpointServer::~EndpointServer() = default;

Status EndpointServer::start() {
  DM_ASSIGN(ports_, implementation_->start(), "");
  return {};
}

void EndpointServer::stop() { implementation_->stop(); }

}  // namespace dormouse::proxy
