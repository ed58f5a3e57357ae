// SPDX-License-Identifier: Apache-2.0

#include "logs/message_fields.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> texts(std::string_view message) {
  std::vector<std::string> found;
  for (const MessageField& field : split_fields(message)) {
    found.emplace_back(field.text);
  }
  return found;
}

TEST(MessageFieldsTest, SpacesAndTabsSeparateFields) {
  EXPECT_THAT(texts(""), IsEmpty());
  EXPECT_THAT(texts("  \t"), IsEmpty());
  EXPECT_THAT(texts(" a  b\tc \n"), ElementsAre("a", "b", "c"));
}

TEST(MessageFieldsTest, MarkedTextIsOneFieldWithoutItsMarks) {
  EXPECT_THAT(
      texts(R"(127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534)"),
      ElementsAre(
          "127.0.0.1", "Prod", "frank", "10/Oct/2000:13:25:15 -0700", "GET /index.html HTTP/1.0", "404", "1534"));
  EXPECT_THAT(texts(R"("say \"hi\" now" [] "")"), ElementsAre(R"(say \"hi\" now)", "", ""));
}

TEST(MessageFieldsTest, WhatFollowsAMarkBelongsToTheField) {
  EXPECT_THAT(texts("[my app]: [b] c"), ElementsAre("[my app]:", "b", "c"));
}

TEST(MessageFieldsTest, MarksThatAreNotClosedOrWithinAFieldAreCharacters) {
  EXPECT_THAT(texts("\"a [b c"), ElementsAre("\"a", "[b", "c"));
  EXPECT_THAT(texts("x[1 2] it\"s b\""), ElementsAre("x[1", "2]", "it\"s", "b\""));
  EXPECT_THAT(texts("\"a\\\""), ElementsAre("\"a\\\""));
}

TEST(MessageFieldsTest, AFieldKnowsTheRestOfTheMessage) {
  const auto fields = split_fields("a [b c] d ");
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[1].rest, "[b c] d");
}

TEST(MessageFieldsTest, ManyMarksThatAreNotClosedTakeAMoment) {
  std::string message;
  for (int i = 0; i < 200'000; ++i) {
    message += "[ ";
  }
  EXPECT_EQ(split_fields(message).size(), 200'000U);
}

}  // namespace
}  // namespace dormouse::logs
