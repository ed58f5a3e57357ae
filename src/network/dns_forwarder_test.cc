// SPDX-License-Identifier: Apache-2.0

#include "network/dns_forwarder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dormouse::network {
namespace {

using boost::asio::ip::make_address;
using Addresses = std::vector<boost::asio::ip::address>;

// A query for "a.b" under the id 0x1234 with one additional record (EDNS).
const std::string kQuestion(
    "\x01"
    "a\x01"
    "b\x00\x00\x01\x00\x01",
    9);
const std::string kQuery =
    std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01", 12) + kQuestion + "additional";

TEST(ParseResolvConf, TakesTheFirstThreeNameservers) {
  EXPECT_EQ(parse_resolv_conf("# nameserver 9.9.9.9\nsearch example\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1 \n"
                              "nameserver nonsense\nnameserver\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n"),
            (Addresses{make_address("192.0.2.1"), make_address("2001:db8::1"), make_address("192.0.2.3")}));
}

TEST(ParseResolvConf, IsTheLocalHostWhenItNamesNobody) {
  EXPECT_EQ(parse_resolv_conf(""), Addresses{make_address("127.0.0.1")});
  EXPECT_EQ(parse_resolv_conf("options edns0\n"), Addresses{make_address("127.0.0.1")});
}

TEST(DnsMessages, AQueryHasAWholeHeaderAndIsNoAnswer) {
  EXPECT_TRUE(is_dns_query(kQuery));
  EXPECT_TRUE(is_dns_query(std::string(12, '\0')));
  EXPECT_FALSE(is_dns_query(std::string(11, '\0')));
  EXPECT_FALSE(is_dns_query(""));
  EXPECT_FALSE(is_dns_query(std::string("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12)));
}

TEST(DnsMessages, AFailureRepeatsIdAndQuestionWithoutOtherRecords) {
  EXPECT_EQ(dns_answer_without_records(kQuery, DnsAnswerCode::kServerFailure),
            std::string("\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00", 12) + kQuestion);
}

TEST(DnsMessages, AFailureLeavesOutAQuestionThatIsMalformed) {
  const std::string header("\x12\x34\x81\x85\x00\x00\x00\x00\x00\x00\x00\x00", 12);
  for (const std::string& question : {std::string("\x3f"
                                                  "short",
                                                  6),
                                      std::string("\xc0\x0c\x00\x01\x00\x01", 6),
                                      std::string(),
                                      std::string("\x01"
                                                  "a\x00\x00\x01",
                                                  5)}) {
    EXPECT_EQ(dns_answer_without_records(kQuery.substr(0, 12) + question, DnsAnswerCode::kRefused), header);
  }
  EXPECT_EQ(dns_answer_without_records(kQuery.substr(0, 4) + std::string("\x00\x02", 2) + kQuery.substr(6),
                                       DnsAnswerCode::kRefused),
            header);
}

TEST(Resolvers, ReadTheFileAndSurviveItsAbsence) {
  Resolvers resolvers("/nonexistent/resolv.conf");
  EXPECT_EQ(resolvers.current(), Addresses{make_address("127.0.0.1")});
}

}  // namespace
}  // namespace dormouse::network
