// SPDX-License-Identifier: Apache-2.0

#include "protocol/answers.h"

#include <gtest/gtest.h>

#include "protocol/limits.h"

namespace dormouse::protocol {
namespace {

TEST(Answer, SurvivesEncodingAndDecoding) {
  const HelloAnswer hello{kVersion, "1.2.3", Role::kBuilder, ApplicationState::kExited, true};
  EXPECT_EQ(*decode_hello_answer(encode(hello)), hello);
  const WatchAnswer watch{5, 70000};
  EXPECT_EQ(*decode_watch_answer(encode(watch)), watch);
  const FreezeAnswer freeze{3};
  EXPECT_EQ(*decode_freeze_answer(encode(freeze)), freeze);
  const RestoredAnswer restored{512, 4, 1, true};
  EXPECT_EQ(*decode_restored_answer(encode(restored)), restored);
  const ExecExit killed{{std::nullopt, 9}, true};
  EXPECT_EQ(*decode_exec_exit(encode(killed)), killed);
  const ApplicationExit exit{{137, std::nullopt}, true, "last\n\"words\""};
  EXPECT_EQ(*decode_application_exit(encode(exit)), exit);
  const Refusal refusal{ErrorKind::kDeadlineExceeded, "not_frozen", "m"};
  EXPECT_EQ(*decode_refusal(encode(refusal)), refusal);
  EXPECT_TRUE(decode_empty_answer(encode_empty_answer()));
}

TEST(Answer, OfAHostileGuestIsRefused) {
  EXPECT_EQ(decode_empty_answer(R"({"x":1})").error().message(), "answer: unknown member \"x\"");
  EXPECT_EQ(decode_exec_exit(R"({"timed_out":false})").error().message(),
            "exit of exec: needs one of \"exit_code\" and \"signal\"");
  EXPECT_EQ(decode_exec_exit(R"({"timed_out":false,"signal":9,"exit_code":1})").error().message(),
            "exit of exec: needs one of \"exit_code\" and \"signal\"");
  EXPECT_EQ(decode_exec_exit(R"({"timed_out":false,"exit_code":256})").error().message(),
            "exit of exec: \"exit_code\" is 256, must be from 0 to 255");
  EXPECT_EQ(decode_refusal(R"({"kind":"nice","code":"","message":""})").error().message(),
            "refusal: \"kind\" is \"nice\", which is none of its values");
  const std::string long_output(kLastOutputBytesMax + 1, 'x');
  EXPECT_EQ(decode_application_exit(R"({"signal":9,"out_of_memory":false,"last_output":")" + long_output + "\"}")
                .error()
                .message(),
            "exit of the application: \"last_output\" has 4097 bytes, the limit is 4096");
}

TEST(Answer, NestedDeeplyIsRefusedWithoutHarm) {
  EXPECT_FALSE(decode_empty_answer(std::string(60000, '[')));
  EXPECT_FALSE(decode_empty_answer("{\"a\":" + std::string(30000, '[')));
}

TEST(ApplicationExit, OfAnyBytesFitsItsOwnLimits) {
  ApplicationExit exit;
  exit.status.signal = 9;
  std::string bytes;
  for (int i = 0; i < 10000; ++i) {
    bytes.push_back(static_cast<char>(i * 7));
  }
  exit.last_output = to_utf8_tail(bytes, kLastOutputBytesMax);
  const std::string payload = encode(exit);
  EXPECT_LE(payload.size(), kAnswerBytesMax);
  const auto decoded = decode_application_exit(payload);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(*decoded, exit);
}

TEST(Utf8Tail, KeepsTheEndAndWholeCharacters) {
  EXPECT_EQ(to_utf8_tail("abcdef", 3), "def");
  EXPECT_EQ(to_utf8_tail("x\xC3\xA4", 2), "\xC3\xA4");
  EXPECT_EQ(to_utf8_tail("a\xE2\x82\xAC", 10), "a\xE2\x82\xAC");
  EXPECT_EQ(to_utf8_tail("", 3), "");
}

TEST(Utf8Tail, ReplacesWhatIsNotUtf8) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(to_utf8_tail(std::string("a\0b", 3), 100), "a" + r + "b");
  EXPECT_EQ(to_utf8_tail("\xC0\x80", 100), r + r);          // overlong
  EXPECT_EQ(to_utf8_tail("\xED\xA0\x80", 100), r + r + r);  // surrogate
  EXPECT_EQ(to_utf8_tail("\xF5\x80\x80\x80", 100), r + r + r + r);
  EXPECT_EQ(to_utf8_tail("\xE2\x82", 100), r + r);  // truncated
}

}  // namespace
}  // namespace dormouse::protocol
