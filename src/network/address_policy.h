// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dormouse::network {

// An IPv4 or IPv6 address in network byte order. An IPv4 address fills the first four bytes; the others are zero.
struct IpAddress {
  bool is_v6 = false;
  std::array<std::uint8_t, 16> bytes{};

  static IpAddress v4(std::uint32_t host_order);
  static std::optional<IpAddress> parse(std::string_view text);  // no scope, no port
  std::string to_string() const;

  std::size_t bits() const { return is_v6 ? 128 : 32; }
  auto operator<=>(const IpAddress&) const = default;
};

// All addresses whose first `length` bits are those of `base`: "10.0.0.0/8", "fe80::/10".
struct AddressPrefix {
  IpAddress base;
  std::size_t length = 0;

  // kInvalidArgument. A bare address is the prefix of itself alone; bits beyond the length must be zero.
  static Result<AddressPrefix> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
};

// Decides to which addresses a guest may connect. A value; constant except for set_host_addresses().
//
// The rule whose prefix is the most specific one decides; of two equally specific ones, the denial. What no rule matches
// is allowed. Besides the denied and the allowed prefixes there are rules of its own: an IPv6 address that stands for an
// IPv4 address (mapped, translated, compatible, NAT64 64:ff9b::/96, 6to4, Teredo) is judged as that IPv4 address. The host's
// own addresses are denied whatever the rules say.
class AddressPolicy {
 public:
  struct Options {
    std::vector<std::string> denied = default_denied();
    std::vector<std::string> allowed;  // exceptions, e.g. a mirror in a private range
  };

  // Everything that the IANA special-purpose registries (RFC 6890 and successors) do not call globally reachable, except
  // the documentation ranges: a mirror or a resolver may live there.
  static std::vector<std::string> default_denied();

  // kInvalidArgument, naming the prefix that is none.
  static Result<AddressPolicy> create(const Options& options);

  // The addresses of the host's own interfaces.
  void set_host_addresses(std::vector<IpAddress> addresses);

  bool allows(const IpAddress& address) const;

 private:
  enum class Verdict : std::uint8_t { kDeny, kAllow, kEmbedded };
  struct Rule {
    AddressPrefix prefix;
    Verdict verdict = Verdict::kDeny;
  };

  Verdict verdict(const IpAddress& address) const;

  std::vector<Rule> rules_;                // the most specific first; denials before others of their length
  std::vector<IpAddress> host_addresses_;  // sorted
};

// The addresses of this network namespace's interfaces, loopback included (getifaddrs).
Result<std::vector<IpAddress>> interface_addresses();

}  // namespace dormouse::network
