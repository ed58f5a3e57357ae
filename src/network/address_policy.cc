// SPDX-License-Identifier: Apache-2.0

#include "network/address_policy.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

namespace dormouse::network {

namespace {

// Prefixes of IPv6 addresses that stand for IPv4 ones, and where in them those stand.
struct Embedding {
  std::string_view prefix;
  std::size_t offset;  // of the IPv4 address, in bytes
  bool inverted = false;
};
constexpr std::array kEmbeddings{
    Embedding{"::/96", 12},            // IPv4-compatible, RFC 4291 section 2.5.5.1; includes :: and ::1
    Embedding{"::ffff:0:0/96", 12},    // IPv4-mapped, RFC 4291 section 2.5.5.2
    Embedding{"::ffff:0:0:0/96", 12},  // IPv4-translated, RFC 7915
    Embedding{"64:ff9b::/96", 12},     // NAT64, RFC 6052
    Embedding{"2002::/16", 2},         // 6to4, RFC 3056
    Embedding{"2001::/32", 4},         // Teredo's server, RFC 4380
    Embedding{"2001::/32", 12, true},  // Teredo's client
};

IpAddress embedded_v4(const IpAddress& address, const Embedding& embedding) {
  IpAddress result;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint8_t byte = address.bytes[embedding.offset + i];
    result.bytes[i] = embedding.inverted ? static_cast<std::uint8_t>(~byte) : byte;
  }
  return result;
}

bool bits_equal(const IpAddress& left, const IpAddress& right, std::size_t length) {
  const std::size_t whole = length / 8;
  if (std::memcmp(left.bytes.data(), right.bytes.data(), whole) != 0) {
    return false;
  }
  const std::size_t rest = length % 8;
  return rest == 0 || ((left.bytes[whole] ^ right.bytes[whole]) >> (8 - rest)) == 0;
}

Result<AddressPrefix> invalid_prefix(std::string_view text, std::string_view why) {
  return fail(
      ErrorKind::kInvalidArgument,
      "address prefix '" + std::string(text) + "': " + std::string(why) + "; write it like 10.0.0.0/8 or fd00::/8");
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress result;
  for (std::size_t i = 0; i < 4; ++i) {
    result.bytes[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return result;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  IpAddress result;
  if (::inet_pton(AF_INET, terminated.c_str(), result.bytes.data()) == 1) {
    return result;
  }
  result.is_v6 = true;
  if (::inet_pton(AF_INET6, terminated.c_str(), result.bytes.data()) == 1) {
    return result;
  }
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* written = ::inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
  return written == nullptr ? std::string() : std::string(written);
}

Result<AddressPrefix> AddressPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) {
    return invalid_prefix(text, "not an IPv4 or IPv6 address");
  }
  AddressPrefix result{*base, base->bits()};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.length);
    if (error != std::errc() || end != digits.data() + digits.size() || result.length > base->bits()) {
      return invalid_prefix(text, "the length is not a number from 0 to " + std::to_string(base->bits()));
    }
  }
  for (std::size_t bit = result.length; bit < base->bits(); ++bit) {
    if ((base->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return invalid_prefix(text, "bits beyond the length are set");
    }
  }
  return result;
}

bool AddressPrefix::contains(const IpAddress& address) const {
  return address.is_v6 == base.is_v6 && bits_equal(address, base, length);
}

std::vector<std::string> AddressPolicy::default_denied() {
  return {
      "0.0.0.0/8",       // this network, RFC 791
      "10.0.0.0/8",      // private, RFC 1918
      "100.64.0.0/10",   // carrier-grade NAT, RFC 6598
      "127.0.0.0/8",     // loopback
      "169.254.0.0/16",  // link-local, and the metadata services of clouds
      "172.16.0.0/12",   // private
      "192.0.0.0/24",    // IETF protocol assignments, RFC 6890
      "192.88.99.0/24",  // 6to4 relays, RFC 7526
      "192.168.0.0/16",  // private
      "198.18.0.0/15",   // benchmarking, RFC 2544
      "224.0.0.0/4",     // multicast
      "240.0.0.0/4",     // reserved, and the limited broadcast address
      // Global unicast is 2000::/3 (RFC 4291); around it there is nothing public but the embeddings, which are more specific:
      // loopback, unspecified, unique local fc00::/7, link-local fe80::/10, site-local fec0::/10, multicast ff00::/8.
      "::/3",
      "4000::/2",
      "8000::/1",
      "2001::/23",  // IETF protocol assignments (Teredo in it is an embedding)
  };
}

Result<AddressPolicy> AddressPolicy::create(const Options& options) {
  AddressPolicy policy;
  for (const std::string& text : options.denied) {
    DM_ASSIGN(const AddressPrefix prefix, AddressPrefix::parse(text), "denied");
    policy.rules_.push_back({prefix, Verdict::kDeny});
  }
  for (const Embedding& embedding : kEmbeddings) {
    DM_ASSIGN(const AddressPrefix prefix, AddressPrefix::parse(embedding.prefix), "embedding");
    policy.rules_.push_back({prefix, Verdict::kEmbedded});
  }
  for (const std::string& text : options.allowed) {
    DM_ASSIGN(const AddressPrefix prefix, AddressPrefix::parse(text), "allowed");
    policy.rules_.push_back({prefix, Verdict::kAllow});
  }
  const auto more_specific = [](const Rule& left, const Rule& right) {
    return left.prefix.length > right.prefix.length;
  };
  std::stable_sort(policy.rules_.begin(), policy.rules_.end(), more_specific);  // of equals, denials were put in first
  return policy;
}

void AddressPolicy::set_host_addresses(std::vector<IpAddress> addresses) {
  host_addresses_ = std::move(addresses);
  std::sort(host_addresses_.begin(), host_addresses_.end());
}

AddressPolicy::Verdict AddressPolicy::verdict(const IpAddress& address) const {
  for (const Rule& rule : rules_) {
    if (rule.prefix.contains(address)) {
      return rule.verdict;
    }
  }
  return Verdict::kAllow;
}

bool AddressPolicy::allows(const IpAddress& address) const {
  if (std::binary_search(host_addresses_.begin(), host_addresses_.end(), address)) {
    return false;
  }
  const Verdict found = verdict(address);
  if (found != Verdict::kEmbedded) {
    return found == Verdict::kAllow;
  }
  for (const Embedding& embedding : kEmbeddings) {
    const auto prefix = AddressPrefix::parse(embedding.prefix);
    if (prefix && prefix->contains(address) && !allows(embedded_v4(address, embedding))) {
      return false;
    }
  }
  return true;
}

Result<std::vector<IpAddress>> interface_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return fail_errno("getifaddrs");
  }
  std::vector<IpAddress> result;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) {
      continue;
    }
    IpAddress address;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, entry->ifa_addr, sizeof in);
      std::memcpy(address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in6{};
      std::memcpy(&in6, entry->ifa_addr, sizeof in6);
      address.is_v6 = true;
      std::memcpy(address.bytes.data(), &in6.sin6_addr, sizeof in6.sin6_addr);
    } else {
      continue;
    }
    result.push_back(address);
  }
  ::freeifaddrs(list);
  return result;
}

}  // namespace dormouse::network
