// SPDX-License-Identifier: Apache-2.0

#include "api/page_tokens.h"

#include <gtest/gtest.h>

namespace dormouse::api {
namespace {

class SetClock final : public Clock {
 public:
  SteadyTime steady() const override { return {}; }
  WallTime wall() const override { return now; }
  WallTime now{std::chrono::seconds(1'790'000'000)};
};

TEST(PageTokensTest, GivesThePositionBack) {
  const SetClock clock;
  const PageTokens tokens("key", clock);
  EXPECT_EQ(tokens.open("scope", tokens.issue("scope", "image-7")), "image-7");
  EXPECT_EQ(tokens.open("scope", tokens.issue("scope", "")), "");
}

TEST(PageTokensTest, NeedsNoEscapingInAQuery) {
  const SetClock clock;
  const PageTokens tokens("key", clock);
  EXPECT_EQ(tokens.issue("scope", "\xFF\xFE?/+ =")
                .find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

TEST(PageTokensTest, RefusesAnotherScopeOrKey) {
  const SetClock clock;
  const PageTokens tokens("key", clock);
  const std::string token = tokens.issue("account\nListMicrovms\n{}", "p");
  EXPECT_FALSE(tokens.open("other\nListMicrovms\n{}", token));
  EXPECT_FALSE(tokens.open("account\nListMicrovmImages\n{}", token));
  EXPECT_FALSE(PageTokens("other key", clock).open("account\nListMicrovms\n{}", token));
}

TEST(PageTokensTest, RefusesAnyAlteredToken) {
  const SetClock clock;
  const PageTokens tokens("key", clock);
  const std::string token = tokens.issue("scope", "position");
  // The last digit carries bits that are not part of a byte.
  for (std::size_t index = 0; index + 1 < token.size(); ++index) {
    std::string altered = token;
    altered[index] = altered[index] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens.open("scope", altered)) << index;
    EXPECT_FALSE(tokens.open("scope", token.substr(0, index))) << index;
  }
  EXPECT_FALSE(tokens.open("scope", "not a token!"));
}

TEST(PageTokensTest, ExpiresAfterADay) {
  SetClock clock;
  const PageTokens tokens("key", clock);
  const std::string token = tokens.issue("scope", "p");
  clock.now += std::chrono::hours(24) - std::chrono::seconds(1);
  EXPECT_TRUE(tokens.open("scope", token));
  clock.now += std::chrono::seconds(1);
  EXPECT_FALSE(tokens.open("scope", token));
}

}  // namespace
}  // namespace dormouse::api
