// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "proxy/certificate_authority.h"
#include "proxy/endpoint_backend.h"
#include "proxy/token.h"
#include "telemetry/telemetry.h"

namespace dormouse::proxy {

// The endpoint: takes HTTP/1.1 requests and WebSocket connections for VMs and relays them to the guests' ports
// (specification section 7).
//
// For each request: the host name's first label names the VM, the token in x-aws-proxy-auth (or in a WebSocket subprotocol)
// must grant the port, the VM is acquired (which holds the request while it wakes), its port is dialled, and header and body
// go through as they come, in both directions at once. A connection to the guest serves one request: none outlives a
// suspension. When the lease is revoked, a request whose answer has not begun is held and made again if that is safe (nothing
// was sent, or the method is idempotent and has no body); everything else is closed in order.
//
// One I/O thread of its own, which never blocks; the backend is called on worker threads. start() and stop() are for one
// owner thread. Backend, keyring and clock outlive the server; callbacks from the backend may come after its end.
class EndpointServer {
 public:
  struct Options {
    std::vector<std::string> listen = {"127.0.0.1:9643", "[::1]:9643"};  // TLS; "address:port", port 0: any free one
    std::vector<std::string> listen_plain;                               // without TLS, for use behind a TLS terminator
    std::size_t header_bytes_max = 64 * 1024;                            // of a request and of an answer
    std::size_t connections_max = 10'000;                                // of clients; more are closed at once
    std::size_t requests_per_vm_max = 1'000;                             // under way at once, whatever its quotas
    std::size_t dial_threads_max = 16;
    std::chrono::milliseconds header_timeout{75'000};   // from the connection or the last answer to a whole header
    std::chrono::milliseconds acquire_timeout{60'000};  // that a request waits for its VM to run
    std::chrono::milliseconds dial_timeout{10'000};
    std::chrono::milliseconds stream_idle_timeout{3'600'000};  // without one byte in either direction
    std::chrono::milliseconds linger_timeout{3'000};  // that a closing connection is given to read what was sent
    std::chrono::milliseconds stop_timeout{10'000};   // that requests under way get to finish in stop()
    telemetry::Telemetry* telemetry = nullptr;        // none: nothing is measured
  };

  EndpointServer(Options options,
                 ServerCertificate certificate,
                 EndpointBackend& backend,
                 const TokenKeyring& keyring,
                 const Clock& clock);
  ~EndpointServer();  // stops
  EndpointServer(const EndpointServer&) = delete;
  EndpointServer& operator=(const EndpointServer&) = delete;

  // Listens, and returns once clients can connect. kInvalidArgument for an address that is none or a certificate that does
  // not fit its key, else the errno's kind. An address of a family that the host does not have is left out with a warning,
  // if others remain.
  Status start();

  // Stops listening, closes idle connections, lets requests under way finish within stop_timeout, cuts off the rest and
  // waits for all of it. Idempotent.
  void stop();

  // The ports in use, in the order of Options::listen, then listen_plain (0: left out). Empty before start().
  const std::vector<std::uint16_t>& ports() const { return ports_; }

 private:
  class Implementation;

  std::unique_ptr<Implementation> implementation_;
  std::vector<std::uint16_t> ports_;
};

}  // namespace dormouse::proxy
