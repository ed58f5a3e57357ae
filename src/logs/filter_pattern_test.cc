// SPDX-License-Identifier: Apache-2.0

#include "logs/filter_pattern.h"

#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

bool matches(std::string_view pattern, std::string_view message) {
  const auto parsed = FilterPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error().message());
  return parsed && parsed->matches(message);
}

std::string refusal(std::string_view pattern) {
  const auto parsed = FilterPattern::parse(pattern);
  EXPECT_FALSE(parsed) << pattern;
  return parsed ? "" : parsed.error().message();
}

TEST(FilterPatternTest, NothingMatchesEverything) {
  for (const char* pattern : {"", "  ", "\"\""}) {
    EXPECT_TRUE(matches(pattern, "anything"));
  }
}

TEST(FilterPatternTest, AllTermsMustBeThereInAnyOrderAndCaseCounts) {
  EXPECT_TRUE(matches("timeout ERROR", "ERROR: a timeout"));
  EXPECT_FALSE(matches("timeout ERROR", "ERROR: none"));
  EXPECT_FALSE(matches("error", "ERROR"));
}

TEST(FilterPatternTest, AQuotedTermIsAPhrase) {
  EXPECT_TRUE(matches("\"out of memory\"", "it ran out of memory"));
  EXPECT_FALSE(matches("\"out of memory\"", "memory out of"));
  EXPECT_TRUE(matches("\"say \\\"hi\\\"\"", "say \"hi\" to"));
  EXPECT_TRUE(matches("\"a\\\\b\"", "a\\b"));
}

TEST(FilterPatternTest, ATermWithAMinusMustNotBeThere) {
  EXPECT_TRUE(matches("ERROR -\"by peer\"", "ERROR 1"));
  EXPECT_FALSE(matches("ERROR -\"by peer\"", "ERROR reset by peer"));
  EXPECT_TRUE(matches("-debug", "info"));
}

TEST(FilterPatternTest, OneOfTheTermsWithQuestionMarksIsEnough) {
  EXPECT_TRUE(matches("?ERROR ?WARN", "WARN 1"));
  EXPECT_FALSE(matches("?ERROR ?WARN", "INFO 1"));
  EXPECT_TRUE(matches("INFO ?ERROR ?WARN", "INFO 1")) << "beside others they do not count, as at the service";
}

TEST(FilterPatternTest, BracesAskForJson) {
  EXPECT_TRUE(matches(" { $.level = ERROR }", R"({"level":"ERROR"})"));
  EXPECT_FALSE(matches("{ $.level = ERROR }", "level ERROR"));
  EXPECT_EQ(refusal("{ $.level }"),
            "Invalid filter pattern '{ $.level }': after a property stands =, !=, <, <=, > or >= and a value, IS NULL, "
            "IS TRUE, IS FALSE or NOT EXISTS");
}

TEST(FilterPatternTest, WhatIsNotSupportedIsRefusedSayingSo) {
  for (const char* pattern : {"[ip, user]", " %ERR.*%"}) {
    EXPECT_EQ(refusal(pattern),
              std::string("Invalid filter pattern '") + pattern +
                  "': patterns for columns and regular expressions are not supported by Dormouse. Use terms, such "
                  "as: ERROR \"out of memory\" -debug");
  }
}

TEST(FilterPatternTest, WhatIsWrittenWrongIsRefusedSayingHow) {
  EXPECT_EQ(refusal("\"open"), "Invalid filter pattern '\"open': a closing quotation mark is missing");
  EXPECT_EQ(refusal("a - b"), "Invalid filter pattern 'a - b': a term is missing after '-' or '?'");
  EXPECT_EQ(
      refusal("a:b"),
      "Invalid filter pattern 'a:b': put the term 'a:b' into quotation marks: it has a character that is neither a "
      "letter, a digit nor an underscore");
}

}  // namespace
}  // namespace dormouse::logs
