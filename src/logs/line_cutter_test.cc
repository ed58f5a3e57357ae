// SPDX-License-Identifier: Apache-2.0

#include "logs/line_cutter.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Lines {
 public:
  explicit Lines(std::size_t line_bytes_max = 16) : cutter_(line_bytes_max) {}

  std::vector<std::string> feed(std::string_view bytes) {
    return collect([&](const LineCutter::Take& take) { cutter_.feed(bytes, take); });
  }
  std::vector<std::string> flush() {
    return collect([&](const LineCutter::Take& take) { cutter_.flush(take); });
  }
  std::size_t pending() const { return cutter_.pending_bytes(); }

 private:
  template <typename Action>
  static std::vector<std::string> collect(Action action) {
    std::vector<std::string> lines;
    action([&](std::string line) { lines.push_back(std::move(line)); });
    return lines;
  }

  LineCutter cutter_;
};

TEST(LineCutterTest, ALineThatComesInPiecesIsOneLine) {
  Lines lines;
  EXPECT_THAT(lines.feed("hel"), IsEmpty());
  EXPECT_THAT(lines.feed("lo\nwor"), ElementsAre("hello"));
  EXPECT_EQ(lines.pending(), 3U);
  EXPECT_THAT(lines.flush(), ElementsAre("wor"));
  EXPECT_THAT(lines.flush(), IsEmpty());
}

TEST(LineCutterTest, EmptyLinesAndCarriageReturnsAtTheEndAreLeftOut) {
  Lines lines;
  EXPECT_THAT(lines.feed("a\r\n\n\r\nb\rc\n"), ElementsAre("a", "b\rc"));
}

TEST(LineCutterTest, ALongLineIsCutAndTheRestFollows) {
  Lines lines(4);
  EXPECT_THAT(lines.feed("abcdefghij\nk\n"), ElementsAre("abcd", "efgh", "ij", "k"));
  EXPECT_THAT(lines.feed("0123456"), ElementsAre("0123"));
  EXPECT_EQ(lines.pending(), 3U);
}

TEST(LineCutterTest, ALineOfExactlyTheLimitIsNotCut) {
  Lines lines(4);
  EXPECT_THAT(lines.feed("abcd\nabcd"), ElementsAre("abcd"));
  EXPECT_THAT(lines.feed("\n"), ElementsAre("abcd"));
}

TEST(LineCutterTest, ALongLineIsCutBetweenCharacters) {
  Lines lines(5);
  EXPECT_THAT(lines.feed("\xc3\xa4\xc3\xb6\xc3\xbcx\n"), ElementsAre("\xc3\xa4\xc3\xb6", "\xc3\xbcx"));
}

TEST(LineCutterTest, BytesThatAreNoTextAreCutAtTheLimit) {
  Lines lines(5);
  EXPECT_THAT(lines.feed("\x80\x80\x80\x80\x80\x80\n"), ElementsAre("\x80\x80\x80\x80\x80", "\x80"));
}

}  // namespace
}  // namespace dormouse::logs
