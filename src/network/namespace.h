// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"

namespace dormouse::network {

// What every guest sees of its network; the same in every namespace, so that a clone keeps what its snapshot knew.
inline constexpr char kGuestAddress[] = "10.0.2.15";
inline constexpr char kGatewayAddress[] = "10.0.2.2";
inline constexpr char kGuestMac[] = "52:54:00:00:02:0f";
inline constexpr std::uint16_t kAgentPort = 1024;
inline constexpr std::uint16_t kEgressPort = 1;  // on the gateway: where redirected TCP arrives

// The network namespace of one VM: a tap, rules that lead nowhere but to the daemon's listeners, and nothing else. There
// is no route out of it, before, while and after the rules are set.
//
// Nothing names it on the host: it lives as long as a process or a descriptor refers to it, and takes tap and rules along
// when it goes, so a crash leaves nothing behind. Threads: any; not shared between threads without a lock.
class Namespace {
 public:
  // Makes one with its tap (with the vnet header, named "tap0") and rules. Needs root and nft(8).
  static Result<Namespace> create(const os::Context& context);
  // That of a running process, after the daemon was restarted. The tap stays the process's.
  static Result<Namespace> of_process(pid_t pid);

  int descriptor() const { return namespace_.get(); }
  // The tap for QEMU; empty after of_process(). Close it once QEMU has it.
  UniqueFd take_tap() { return std::move(tap_); }

  // A socket in this namespace: socket(2) with SOCK_CLOEXEC | SOCK_NONBLOCK added.
  Result<UniqueFd> socket(int domain, int type) const;
  // A connected, non-blocking TCP socket to a port of the guest.
  Result<UniqueFd> connect(std::uint16_t port, const os::Context& context) const;

  struct Listeners {
    UniqueFd tcp;      // redirected connections, kEgressPort
    UniqueFd dns_udp;  // 10.0.2.2:53
    UniqueFd dns_tcp;

    // Resets the connections that nobody has accepted, and drops what nobody has read. To close the sockets and to bind others
    // would not do: a process that is being spawned holds them for a moment longer, and with them the ports.
    void reset_waiting() const;
  };
  Result<Listeners> listen() const;

 private:
  Namespace(UniqueFd name_space, UniqueFd tap) : namespace_(std::move(name_space)), tap_(std::move(tap)) {}

  UniqueFd namespace_;
  UniqueFd tap_;
};

}  // namespace dormouse::network
