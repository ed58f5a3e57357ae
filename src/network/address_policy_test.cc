// SPDX-License-Identifier: Apache-2.0

#include "network/address_policy.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dormouse::network {
namespace {

AddressPolicy policy_of(AddressPolicy::Options options) {
  auto policy = AddressPolicy::create(options);
  EXPECT_TRUE(policy.has_value());
  return std::move(policy).value();
}

AddressPolicy default_policy() { return policy_of({}); }

bool allows(const AddressPolicy& policy, const std::string& text) {
  const auto address = IpAddress::parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return policy.allows(*address);
}

TEST(AddressPolicy, AllowsPublicAddresses) {
  const AddressPolicy policy = default_policy();
  for (const char* text : {"1.1.1.1",
                           "8.8.8.8",
                           "9.255.255.255",
                           "11.0.0.0",
                           "100.63.255.255",
                           "100.128.0.0",
                           "126.0.0.1",
                           "128.0.0.1",
                           "169.253.255.255",
                           "169.255.0.0",
                           "172.15.255.255",
                           "172.32.0.0",
                           "192.0.1.0",
                           "192.167.0.1",
                           "192.169.0.1",
                           "198.17.255.255",
                           "198.20.0.0",
                           "223.255.255.255",
                           "2606:4700:4700::1111",
                           "2a00::1",
                           "3fff:ffff::1",
                           "2003::1"}) {
    EXPECT_TRUE(allows(policy, text)) << text;
  }
}

TEST(AddressPolicy, AllowsDocumentationRangesBecauseAMirrorMayLiveThere) {
  const AddressPolicy policy = default_policy();
  for (const char* text : {"192.0.2.1", "198.51.100.7", "203.0.113.255", "2001:db8::1"}) {
    EXPECT_TRUE(allows(policy, text)) << text;
  }
}

TEST(AddressPolicy, DeniesEverythingThatIsNotPublic) {
  const AddressPolicy policy = default_policy();
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.2.2",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.1",
                           "192.0.0.8",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "224.0.0.1",
                           "239.1.1.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "192.88.99.1",
                           "::",
                           "::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "100::1",
                           "64:ff9b:1::1",
                           "2001:2::1",
                           "2001:10::1",
                           "4000::1",
                           "1::1",
                           "5f00::1"}) {
    EXPECT_FALSE(allows(policy, text)) << text;
  }
}

TEST(AddressPolicy, JudgesAnEmbeddedAddressAsTheIpv4AddressItStandsFor) {
  const AddressPolicy policy = default_policy();
  for (const char* text : {"::ffff:127.0.0.1",
                           "::ffff:169.254.169.254",
                           "::ffff:0:10.0.0.1",
                           "64:ff9b::192.168.0.1",
                           "2002:7f00:1::1",
                           "2002:a00:202::1",
                           "::10.0.0.1",
                           "2001:0:a00:1::1:f7f7:f7f7",       // Teredo by a server at 10.0.0.1
                           "2001:0:808:808::1:f5ff:fffe"}) {  // Teredo for a client at 10.0.0.1
    EXPECT_FALSE(allows(policy, text)) << text;
  }
  for (const char* text :
       {"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:0:8.8.8.8", "2001:0:808:808::1:f7f7:f7f7"}) {
    EXPECT_TRUE(allows(policy, text)) << text;
  }
}

TEST(AddressPolicy, AnEmbeddingIsDeniedExactlyWhenItsIpv4AddressIs) {
  const AddressPolicy policy = default_policy();
  std::mt19937 random(20260101);  // NOLINT: the same sequence in every run
  for (int i = 0; i < 20'000; ++i) {
    const IpAddress v4 = IpAddress::v4(static_cast<std::uint32_t>(random()));
    for (const char* prefix : {"::ffff:", "64:ff9b::", "::ffff:0:"}) {
      EXPECT_EQ(policy.allows(v4), allows(policy, prefix + v4.to_string())) << prefix << v4.to_string();
    }
  }
}

TEST(AddressPolicy, AgreesWithTheRangesByArithmetic) {
  const AddressPolicy policy = default_policy();
  const auto reserved = [](std::uint32_t a) {
    const auto in = [a](std::uint32_t base, int length) { return (a ^ base) >> (32 - length) == 0; };
    return in(0, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) || in(0xa9fe0000, 16) ||
           in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0586300, 24) || in(0xc0a80000, 16) || in(0xc6120000, 15) ||
           a >= 0xe0000000;
  };
  std::mt19937 random(7);  // NOLINT
  for (int i = 0; i < 200'000; ++i) {
    const auto a = static_cast<std::uint32_t>(random());
    EXPECT_EQ(policy.allows(IpAddress::v4(a)), !reserved(a)) << IpAddress::v4(a).to_string();
  }
}

TEST(AddressPolicy, DeniesTheHostsOwnAddressesInEveryForm) {
  AddressPolicy policy = policy_of({AddressPolicy::default_denied(), {"203.0.113.5"}});
  EXPECT_TRUE(allows(policy, "203.0.113.5"));
  policy.set_host_addresses({*IpAddress::parse("203.0.113.5"), *IpAddress::parse("2a00::5")});
  EXPECT_FALSE(allows(policy, "203.0.113.5"));
  EXPECT_FALSE(allows(policy, "::ffff:203.0.113.5"));
  EXPECT_FALSE(allows(policy, "2a00::5"));
  EXPECT_TRUE(allows(policy, "203.0.113.6"));
}

TEST(AddressPolicy, TheMostSpecificRuleDecidesAndOfEqualsTheDenial) {
  const AddressPolicy policy =
      policy_of({{"10.0.0.0/8", "10.1.1.0/24", "8.8.8.8", "2002::/16"}, {"10.1.0.0/16", "8.8.8.8"}});
  EXPECT_FALSE(allows(policy, "10.2.0.1"));
  EXPECT_TRUE(allows(policy, "10.1.2.1"));
  EXPECT_FALSE(allows(policy, "10.1.1.1"));
  EXPECT_FALSE(allows(policy, "8.8.8.8"));
  EXPECT_FALSE(allows(policy, "2002:808:404::1"));
}

TEST(AddressPrefix, RefusesWhatIsNoneNamingValueAndRemedy) {
  const auto error_of = [](const char* text) { return AddressPrefix::parse(text).error().message(); };
  EXPECT_EQ(error_of("10.0.0/8"),
            "address prefix '10.0.0/8': not an IPv4 or IPv6 address; write it like 10.0.0.0/8 or fd00::/8");
  EXPECT_EQ(
      error_of("10.0.0.0/33"),
      "address prefix '10.0.0.0/33': the length is not a number from 0 to 32; write it like 10.0.0.0/8 or fd00::/8");
  EXPECT_EQ(error_of("10.0.0.1/8"),
            "address prefix '10.0.0.1/8': bits beyond the length are set; write it like 10.0.0.0/8 or fd00::/8");
  EXPECT_FALSE(AddressPrefix::parse("10.0.0.0/").has_value());
  EXPECT_FALSE(AddressPrefix::parse("10.0.0.0/8x").has_value());
  EXPECT_FALSE(AddressPrefix::parse("").has_value());
  EXPECT_EQ(AddressPolicy::create({{"nonsense"}, {}}).error().kind(), ErrorKind::kInvalidArgument);
}

TEST(InterfaceAddresses, ContainLoopback) {
  const auto addresses = interface_addresses();
  ASSERT_TRUE(addresses.has_value());
  EXPECT_NE(std::find(addresses->begin(), addresses->end(), *IpAddress::parse("127.0.0.1")), addresses->end());
}

}  // namespace
}  // namespace dormouse::network
