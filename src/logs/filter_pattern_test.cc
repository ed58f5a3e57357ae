// SPDX-License-Identifier: Apache-2.0

#include "logs/filter_pattern.h"

#include <string>

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

TEST(FilterPatternTest, BracketsAskForColumns) {
  EXPECT_TRUE(matches(" [level = ERROR, ...]", "ERROR 7"));
  EXPECT_FALSE(matches("[level = ERROR, ...]", "an ERROR"));
  EXPECT_EQ(refusal("[level, ms"), "Invalid filter pattern '[level, ms': the closing ']' is missing");
}

TEST(FilterPatternTest, ARegularExpressionIsATermAsAnyOther) {
  EXPECT_TRUE(matches("%ERR.*[0-9]{2}%", "ERROR 42"));
  EXPECT_FALSE(matches("%^[0-9]%", "ERROR 42"));
  EXPECT_TRUE(matches("ERROR %time[- ]?out%", "ERROR: a time out"));
  EXPECT_FALSE(matches("ERROR -%time[- ]?out%", "ERROR: a timeout"));
  EXPECT_TRUE(matches("?FATAL ?%4[0-9][0-9]%", "status 404"));
  EXPECT_TRUE(matches("%shutting down% now", "shutting down now"));
}

TEST(FilterPatternTest, ARegularExpressionThatIsWrongIsRefusedSayingHow) {
  EXPECT_EQ(refusal("%ERR"), "Invalid filter pattern '%ERR': the closing % of a regular expression is missing");
  EXPECT_EQ(
      refusal("%a%b"),
      "Invalid filter pattern '%a%b': 'b' follows the closing % of a regular expression: put a space between, or write "
      "\\x25 for a % within it");
  EXPECT_EQ(refusal("%a!%"),
            "Invalid filter pattern '%a!%': the regular expression 'a!' has '!', which regular expressions of filter "
            "patterns do not know: write \\x21 for the character");
  EXPECT_EQ(
      refusal("%a% %b% %c%"),
      "Invalid filter pattern '%a% %b% %c%': there are more than 2 regular expressions, which are the most that a "
      "pattern may have: join some with |, or use * or terms");
}

TEST(FilterPatternTest, APatternBeyondTheServiceSLimitIsRefused) {
  EXPECT_EQ(refusal(std::string(4097, 'a')), "Invalid filter pattern: it has 4097 bytes, and at most 4096 are taken");
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
