// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "network/address_policy.h"

namespace dormouse::network {

// What a VM may reach: nothing at all, or what the address policy allows, over TCP.
enum class Egress { kNone, kInternet };

// The way out of the VMs' namespaces: relays TCP that was redirected to a listener in a namespace, and forwards DNS.
//
// A redirected connection's original destination (SO_ORIGINAL_DST) is judged by the policy and by the host's own addresses,
// read anew once a second at most. If it may be reached, the connection is made from the namespace in which start() was
// called, and bytes are relayed both ways until both sides have ended; a side that ends early is passed on as that
// (half-close), a reset as a reset. What may not or cannot be reached is reset: to the guest it seems to have been accepted
// and then reset, since the redirection has completed its handshake.
//
// One I/O thread of its own. Thread-safe; add() and remove() wait for that thread.
class EgressServer {
 public:
  struct Options {
    AddressPolicy policy;
    std::size_t connections_per_vm_max = 256;  // more are reset
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds idle_timeout{3'600'000};  // without one byte in either direction; then reset
    std::filesystem::path resolv_conf = "/etc/resolv.conf";
    std::uint16_t resolver_port = 53;
    std::chrono::milliseconds resolver_timeout{2'000};  // for one resolver to answer; each is asked twice
  };

  // Sockets of the VM's namespace, bound, the TCP ones listening.
  struct Listeners {
    UniqueFd tcp_redirect_listener;
    UniqueFd dns_udp;
    UniqueFd dns_tcp;
  };

  // Call it in the host's network namespace. kResourceExhausted when no thread can be had.
  static Result<std::unique_ptr<EgressServer>> start(Options options);
  ~EgressServer();  // as remove() of all
  EgressServer(const EgressServer&) = delete;
  EgressServer& operator=(const EgressServer&) = delete;

  // Serves a VM's listeners from now on. kConflict when the id is taken; kInvalidArgument for descriptors that do not fit.
  Status add(const std::string& vm_id, Listeners listeners, Egress egress);

  // Resets the VM's connections, closes its listeners and returns when nothing of it is left. An unknown id is fine.
  void remove(const std::string& vm_id);

  // TCP connections of a VM under way, its limit being connections_per_vm_max. For descriptions and tests.
  std::size_t connections(const std::string& vm_id) const;

 private:
  class Implementation;
  explicit EgressServer(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace dormouse::network
