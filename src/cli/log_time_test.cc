// SPDX-License-Identifier: Apache-2.0

#include "cli/log_time.h"

#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

const WallTime kNow(std::chrono::seconds(1'800'000'000));

TEST(LogTimeTest, TakesHowLongAgo) {
  EXPECT_EQ(parse_log_time("30s", "--since", kNow), 1'799'999'970'000);
  EXPECT_EQ(parse_log_time("10m", "--since", kNow), 1'799'999'400'000);
  EXPECT_EQ(parse_log_time("1w", "--since", kNow), 1'799'395'200'000);
}

TEST(LogTimeTest, TakesATime) {
  EXPECT_EQ(parse_log_time("2027-01-15", "--since", kNow), 1'799'971'200'000);
  EXPECT_EQ(parse_log_time("2027-01-15T08:00:00Z", "--since", kNow), 1'800'000'000'000);
  EXPECT_EQ(log_time_text(1'800'000'000'123), "2027-01-15T08:00:00.123Z");
}

TEST(LogTimeTest, RefusesAnythingElseSayingWhatIsTaken) {
  for (const char* text :
       {"", "m", "5", "-5m", "5y", "2027-02-30", "2027-01-15T25:00:00", "2027-01-15T08:00", "yesterday"}) {
    const auto parsed = parse_log_time(text, "--since", kNow);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(
        parsed.error().message(),
        std::string("--since '") + text +
            "': write how long ago, such as 30s, 10m, 2h, 3d or 1w, or a time in UTC, such as 2026-11-22T10:00:00");
  }
}

TEST(LogTimeTest, PeriodEndsWhereItIsTold) {
  const auto open = parse_log_period("1m", "", kNow);
  ASSERT_TRUE(open) << open.error().message();
  EXPECT_EQ(open->since, 1'799'999'940'000);
  EXPECT_EQ(open->until, std::nullopt);
  const auto closed = parse_log_period("1m", "30s", kNow);
  ASSERT_TRUE(closed) << closed.error().message();
  EXPECT_EQ(closed->until, 1'799'999'970'000);
  EXPECT_TRUE(parse_log_period("1m", "1m", kNow));
}

TEST(LogTimeTest, PeriodThatEndsBeforeItBeginsIsRefused) {
  const auto refused = parse_log_period("1d", "2d", kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refused.error().message(), "--until '2d' is before --since '1d': name an earlier --since");
  const auto wrong = parse_log_period("1d", "soon", kNow);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message().substr(0, 22), "--until 'soon': write ");
}

}  // namespace
}  // namespace dormouse::cli
