// SPDX-License-Identifier: Apache-2.0

#include "protocol/frame.h"

#include <gtest/gtest.h>

#include "protocol/limits.h"

namespace dormouse::protocol {
namespace {

using namespace std::string_literals;

Frame only_frame(FrameDecoder& decoder) {
  auto frame = decoder.next();
  EXPECT_TRUE(frame && *frame);
  return frame && *frame ? **frame : Frame{};
}

TEST(Frame, IsALengthATypeAndAPayload) {
  EXPECT_EQ(encode_frame(FrameType::kStdout, "abc"), "\x03\x00\x00\x00\x06"s + "abc");
}

TEST(FrameDecoder, FindsTheSameFramesHoweverTheBytesArrive) {
  const std::string stream = encode_frame(FrameType::kRequest, "{}") + encode_frame(FrameType::kStdinEnd, "") +
                             encode_frame(FrameType::kStdin, std::string(kDataBytesMax, 'x'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{4096}, stream.size()}) {
    FrameDecoder decoder;
    std::vector<Frame> frames;
    for (std::size_t i = 0; i < stream.size(); i += step) {
      decoder.feed(std::string_view(stream).substr(i, step));
      for (auto frame = decoder.next(); frame && *frame; frame = decoder.next()) {
        frames.push_back(**frame);
      }
    }
    ASSERT_EQ(frames.size(), 3U) << step;
    EXPECT_EQ(frames[0], (Frame{FrameType::kRequest, "{}"}));
    EXPECT_EQ(frames[1], (Frame{FrameType::kStdinEnd, ""}));
    EXPECT_EQ(frames[2].payload.size(), kDataBytesMax);
  }
}

TEST(FrameDecoder, KeepsWhatFollowsTheFrame) {
  FrameDecoder decoder;
  decoder.feed(encode_frame(FrameType::kAnswer, "{}") + "raw");
  EXPECT_EQ(only_frame(decoder).payload, "{}");
  EXPECT_EQ(decoder.rest(), "raw");
}

TEST(FrameDecoder, RefusesATooLongFrameByItsHeaderAlone) {
  FrameDecoder decoder;
  decoder.feed("\x01\x00\x01\x00\x06"s);
  const auto frame = decoder.next();
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().message(), "frame of type 6 has 65537 bytes, the limit is 65536");
  EXPECT_FALSE(decoder.next());  // the stream stays lost
}

TEST(FrameDecoder, RefusesTypesThatDoNotExist) {
  for (const char type : {'\x00', '\x0A', '\xFF'}) {
    FrameDecoder decoder;
    decoder.feed("\x00\x00\x00\x00"s + type);
    const auto frame = decoder.next();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().message(),
              "frame type " + std::to_string(static_cast<unsigned char>(type)) + " does not exist");
  }
}

TEST(FrameDecoder, WaitsForTheRestOfATruncatedFrame) {
  const std::string whole = encode_frame(FrameType::kExit, "{\"exit_code\":0}");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    FrameDecoder decoder;
    decoder.feed(std::string_view(whole).substr(0, size));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame);
    EXPECT_FALSE(*frame) << size;
  }
}

}  // namespace
}  // namespace dormouse::protocol
