// SPDX-License-Identifier: Apache-2.0

#include "protocol/requests.h"

#include <gtest/gtest.h>

#include "protocol/base64.h"
#include "protocol/limits.h"

namespace dormouse::protocol {
namespace {

std::string decoding_error(std::string_view payload) {
  const auto request = decode_request(payload);
  return request ? "" : request.error().message();
}

std::vector<Request> one_of_each() {
  StartApplication start;
  start.environment = {{"A", "1"}, {"EMPTY", ""}, {"UTF8", "\xC3\xA4\"\\\n"}};
  start.injected = {{"AWS_REGION", "us-east-1"}};
  start.all_capabilities = true;
  start.hostname = "box-1";
  start.memory_max_bytes = std::uint64_t{1} << 40;
  Restored restored;
  restored.entropy = std::string(48, '\xF0') + '\0';
  restored.unix_time_ns = 1'790'000'000'123'456'789;
  restored.thaw = false;
  restored.hostname = "name";
  restored.machine_id = "0123456789abcdef0123456789abcdef";
  Exec exec;
  exec.argv = {"sh", "-c", ""};
  exec.environment = {{"PATH", "/bin"}};
  exec.working_directory = "/tmp";
  exec.timeout_ms = 5000;
  exec.takes_stdin = true;
  return {Hello{},
          start,
          Watch{std::uint64_t{1} << 50},
          Freeze{true, false, false},
          Freeze{false, false, true},
          restored,
          Thaw{},
          Thaw{1'790'000'000'123'456'789},
          Connect{65535},
          exec,
          Shutdown{}};
}

TEST(Request, SurvivesEncodingAndDecoding) {
  for (const Request& request : one_of_each()) {
    const auto payload = encode_request(request, kVersion);
    ASSERT_TRUE(payload);
    const auto decoded = decode_request(*payload);
    ASSERT_TRUE(decoded) << *payload << ": " << decoded.error().message();
    EXPECT_EQ(*decoded, request) << *payload;
  }
}

TEST(Request, IsRefusedWhenTruncatedAnywhere) {
  for (const Request& request : one_of_each()) {
    const std::string payload = *encode_request(request, kVersion);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      EXPECT_FALSE(decode_request(payload.substr(0, size)));
    }
  }
}

TEST(Request, OfAnotherProtocolVersionIsRefused) {
  EXPECT_EQ(decoding_error(R"({"version":2,"operation":"hello"})"), "request: protocol version 2, this agent speaks 1");
}

TEST(Request, MustBeKnownToTheLastMember) {
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"dance"})"), "request: unknown operation \"dance\"");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"hello","x":1})"), "request: unknown member \"x\"");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"watch"})"), "request: \"from\" is missing");
  EXPECT_EQ(decoding_error("[]"), "request: not a JSON object");
  EXPECT_EQ(decoding_error("{"), "request: not JSON");
}

TEST(Request, ChecksTypesAndRanges) {
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"connect","port":0})"),
            "request: \"port\" is 0, must be from 1 to 65535");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"connect","port":65536})"),
            "request: \"port\" is 65536, must be from 1 to 65535");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"connect","port":1.5})"),
            "request: \"port\" is not a whole number");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"connect","port":-1})"),
            "request: \"port\" is not a whole number");
  EXPECT_EQ(decoding_error(R"({"version":1,"operation":"freeze","sync":1,"drop_caches":true})"),
            "request: \"sync\" is not true or false");
}

TEST(Request, ForAnAgentOlderThanAnOptionalMemberHasNoneOfThem) {
  EXPECT_EQ(*encode_request(Freeze{}, kVersion),
            R"({"version":1,"operation":"freeze","sync":false,"drop_caches":false})");
  EXPECT_EQ(*encode_request(Thaw{}, kVersion), R"({"version":1,"operation":"thaw"})");
}

TEST(Request, NamesAMachineByThirtyTwoDigits) {
  const auto with = [](const std::string& id) {
    return R"({"version":1,"operation":"restored","unix_time_ns":1,"thaw":true,"entropy":")" +
           encode_base64(std::string(32, 'e')) + R"(","machine_id":")" + id + "\"}";
  };
  EXPECT_EQ(decoding_error(with("0123456789abcdef0123456789abcdef")), "");
  for (const std::string& id : {std::string(32, '0'), std::string(31, 'a'), std::string(32, 'A'), std::string()}) {
    EXPECT_EQ(decoding_error(with(id)), "request: \"machine_id\" must be 32 lower-case hexadecimal digits, not all 0")
        << id;
  }
}

TEST(Request, NeedsEnoughEntropy) {
  const auto with = [](std::size_t size) {
    return R"({"version":1,"operation":"restored","unix_time_ns":1,"thaw":true,"entropy":")" +
           encode_base64(std::string(size, 'e')) + "\"}";
  };
  EXPECT_EQ(decoding_error(with(31)), "request: \"entropy\" is 31 bytes, must be 32 to 512");
  EXPECT_EQ(decoding_error(with(32)), "");
  EXPECT_EQ(decoding_error(with(512)), "");
  EXPECT_EQ(decoding_error(with(513)), "request: \"entropy\" is 513 bytes, must be 32 to 512");
}

TEST(Request, TakesNoEnvironmentThatAProcessCouldNotHave) {
  const auto exec_with = [](const std::string& environment) {
    return R"({"version":1,"operation":"exec","argv":["a"],"working_directory":"/","timeout_ms":0,"stdin":false,)"
           R"("environment":{)" +
           environment + "}}";
  };
  EXPECT_EQ(decoding_error(exec_with(R"("A":"b")")), "");
  EXPECT_EQ(decoding_error(exec_with(R"("A=B":"c")")),
            "request: \"environment\" has a name of 3 bytes that is no variable's: 1 to 256, without '=' and NUL");
  EXPECT_EQ(decoding_error(exec_with(R"("A":"x\u0000y")")), "request: \"environment\" holds a NUL byte");
  EXPECT_EQ(decoding_error(exec_with(R"("A":1)")), "request: \"environment\" is not a string");
}

TEST(Request, LargerThanTheLimitIsNotSent) {
  StartApplication start;
  for (int i = 0; i < 20; ++i) {
    start.environment["V" + std::to_string(i)] = std::string(kEnvironmentValueBytesMax, 'x');
  }
  const auto payload = encode_request(start, kVersion);
  ASSERT_FALSE(payload);
  EXPECT_NE(payload.error().message().find("the limit is 1048576"), std::string::npos);
}

TEST(Hostname, IsOfLettersDigitsAndInnerHyphens) {
  EXPECT_TRUE(is_hostname("a"));
  EXPECT_TRUE(is_hostname("Box-1"));
  EXPECT_TRUE(is_hostname(std::string(63, 'a')));
  for (const auto& text : {std::string(),
                           std::string(64, 'a'),
                           std::string("-a"),
                           std::string("a-"),
                           std::string("a.b"),
                           std::string("a b")}) {
    EXPECT_FALSE(is_hostname(text)) << text;
  }
}

}  // namespace
}  // namespace dormouse::protocol
