// SPDX-License-Identifier: Apache-2.0

#include "daemon/options.h"

#include <gtest/gtest.h>

namespace dormouse::daemon {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30U;

TEST(MemoryBudgetOptionTest, IsASizeAShareOfTheHostOrNone) {
  EXPECT_EQ(parse_budget("memory", "512M", 0)->value(), kGiB / 2);
  EXPECT_EQ(parse_budget("memory", "6G", 0)->value(), 6 * kGiB);
  EXPECT_EQ(parse_budget("memory", "80%", 100 * kGiB)->value(), 80 * kGiB);
  EXPECT_EQ(parse_budget("memory", "100%", 10 * kGiB)->value(), 10 * kGiB / 100 * 100);
  EXPECT_FALSE(parse_budget("memory", "none", kGiB)->has_value());
}

TEST(MemoryBudgetOptionTest, TheDisksIsReadTheSameWay) {
  EXPECT_EQ(parse_budget("disk", "90%", 100 * kGiB)->value(), 90 * kGiB);
  EXPECT_EQ(parse_budget("disk", "lots", kGiB).error().message(),
            "'lots' is no disk budget: a size from 1M to 1048576G, a share from 1% to 100%, or none");
}

TEST(MemoryBudgetOptionTest, AnythingElseIsRefusedWithWhatItMayBe) {
  for (const char* const text :
       {"", "0M", "6", "6g", "6 G", "-1G", "101%", "0%", "%", "G", "1048577G", "99999999999999999999G"}) {
    const auto parsed = parse_budget("memory", text, kGiB);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message(),
              "'" + std::string(text) +
                  "' is no memory budget: a size from 1M to 1048576G, a share from 1% to 100%, or none");
  }
}

}  // namespace
}  // namespace dormouse::daemon
