// SPDX-License-Identifier: Apache-2.0

#include "protocol/watch_decoder.h"

#include <gtest/gtest.h>

namespace dormouse::protocol {
namespace {

std::string answer(std::uint64_t from, std::uint64_t end) {
  return encode_frame(FrameType::kAnswer, encode(WatchAnswer{from, end}));
}
std::string output(std::uint64_t offset, std::string_view bytes) {
  return encode_frame(FrameType::kOutput, encode_output(offset, bytes));
}

std::string error_of(WatchDecoder& decoder, const std::string& bytes) {
  decoder.feed(bytes);
  const auto event = decoder.next();
  return event ? "" : event.error().message();
}

TEST(WatchDecoder, GivesOutputAndThenTheExit) {
  const ApplicationExit exit{{3, std::nullopt}, false, "bc"};
  const std::string stream =
      answer(10, 13) + output(10, "a") + output(11, "bc") + encode_frame(FrameType::kExit, encode(exit));
  WatchDecoder decoder(10);
  std::vector<WatchEvent> events;
  for (const char byte : stream) {
    decoder.feed({&byte, 1});
    for (auto event = decoder.next(); event && *event; event = decoder.next()) {
      events.push_back(**event);
    }
  }
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0], WatchEvent(OutputChunk{10, 0, "a"}));
  EXPECT_EQ(events[1], WatchEvent(OutputChunk{11, 0, "bc"}));
  EXPECT_EQ(events[2], WatchEvent(exit));
  EXPECT_EQ(decoder.next_offset(), 13U);
}

TEST(WatchDecoder, CountsWhatWasDropped) {
  WatchDecoder decoder(0);
  decoder.feed(answer(100, 200) + output(100, "x"));
  const auto event = decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ(**event, WatchEvent(OutputChunk{100, 100, "x"}));
}

TEST(WatchDecoder, PassesOnARefusal) {
  WatchDecoder decoder(0);
  const Refusal refusal{ErrorKind::kInvalidArgument, "not_written", "watch from offset 9"};
  EXPECT_EQ(error_of(decoder, encode_frame(FrameType::kRefusal, encode(refusal))), "watch: watch from offset 9");
}

TEST(WatchDecoder, RefusesWhatIsNoWatch) {
  WatchDecoder backwards(10);
  EXPECT_EQ(error_of(backwards, answer(10, 20) + output(9, "x")), "watch: output at offset 9, expected 10 or later");
  WatchDecoder empty(0);
  EXPECT_EQ(error_of(empty, answer(0, 0) + output(0, "")), "watch: output frame of 8 bytes");
  WatchDecoder far(0);
  EXPECT_FALSE(error_of(far, answer(0, 0) + output(UINT64_MAX, "x")).empty());
  WatchDecoder unanswered(0);
  EXPECT_EQ(error_of(unanswered, output(0, "x")), "watch: frame of type 8 is not an answer");
  WatchDecoder foreign(0);
  EXPECT_EQ(error_of(foreign, answer(0, 0) + encode_frame(FrameType::kStdout, "x")),
            "watch: frame of type 6 is not an event");
}

}  // namespace
}  // namespace dormouse::protocol
