// SPDX-License-Identifier: Apache-2.0

#include "cli/log_time.h"

#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

const WallTime kNow(std::chrono::seconds(1'800'000'000));

TEST(LogTimeTest, TakesHowLongAgo) {
  EXPECT_EQ(parse_since("30s", kNow), 1'799'999'970'000);
  EXPECT_EQ(parse_since("10m", kNow), 1'799'999'400'000);
  EXPECT_EQ(parse_since("1w", kNow), 1'799'395'200'000);
}

TEST(LogTimeTest, TakesATime) {
  EXPECT_EQ(parse_since("2027-01-15", kNow), 1'799'971'200'000);
  EXPECT_EQ(parse_since("2027-01-15T08:00:00Z", kNow), 1'800'000'000'000);
  EXPECT_EQ(log_time_text(1'800'000'000'123), "2027-01-15T08:00:00.123Z");
}

TEST(LogTimeTest, RefusesAnythingElseSayingWhatIsTaken) {
  for (const char* text :
       {"", "m", "5", "-5m", "5y", "2027-02-30", "2027-01-15T25:00:00", "2027-01-15T08:00", "yesterday"}) {
    const auto parsed = parse_since(text, kNow);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(
        parsed.error().message(),
        std::string("--since '") + text +
            "': write how long ago, such as 30s, 10m, 2h, 3d or 1w, or a time in UTC, such as 2026-11-22T10:00:00");
  }
}

}  // namespace
}  // namespace dormouse::cli
