// SPDX-License-Identifier: Apache-2.0
//
// What makes a clone of a memory snapshot a machine of its own. Every step is confirmed by the kernel or is an error.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace dormouse::agent {

// Mixes `entropy` into the kernel's random generator, credits it, and reseeds the generator now: what it gave before the
// snapshot no longer predicts what it gives. Returns the bits credited.
Result<std::uint64_t> reseed(std::string_view entropy);

Status set_wall_clock(std::int64_t unix_time_ns);

struct Destroyed {
  std::uint64_t tcp = 0;
  std::uint64_t udp = 0;
};

// Destroys (SOCK_DESTROY of sock_diag(7)) every TCP connection and every connected UDP socket, IPv4 and IPv6, whose other
// end is neither on the loopback interface nor the guest itself. Listeners stay; `spared`, a socket of ours, too.
Result<Destroyed> destroy_connections(int spared);

}  // namespace dormouse::agent
