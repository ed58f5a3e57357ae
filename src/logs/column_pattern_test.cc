// SPDX-License-Identifier: Apache-2.0

#include "logs/column_pattern.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

constexpr const char* kAccess =
    R"(127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534)";

bool matches(std::string_view pattern, std::string_view message = kAccess) {
  const auto parsed = ColumnPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error().message());
  return parsed && parsed->matches(message);
}

std::string refusal(std::string_view pattern) {
  const auto parsed = ColumnPattern::parse(pattern);
  EXPECT_FALSE(parsed) << pattern;
  return parsed ? "" : parsed.error().message();
}

TEST(ColumnPatternTest, TheServiceSExamplesMatchTheServiceSMessage) {
  for (const char* pattern :
       {"[ip, user, username, timestamp, request, status_code, bytes]",
        "[ip=%127\\.0\\.0\\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
        "[..., request =*.html*, status_code = 4*, bytes]",
        "[..., request=*.html*, status_code=4*,]",
        "[ip, user, ..., status_code, bytes]",
        "[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]",
        "[ip, user, username, timestamp, request, status_code = 4* && status_code != 403, bytes]",
        "[ip, user, username, timestamp = \"10/Oct/2000:13:25:15 -0700\", ...]"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern : {"[ip, user, username, timestamp, request, status_code = 5*, bytes]",
                              "[..., request =*.jpg*, status_code, bytes]",
                              "[..., status_code != 4*, bytes]",
                              "[ip = %^10\\.%, ...]"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
}

TEST(ColumnPatternTest, NumbersAreComparedAsNumbers) {
  for (const char* pattern : {"[..., bytes > 1000]",
                              "[..., bytes >= 1.534e3]",
                              "[..., bytes > +1000 && bytes < 2000]",
                              "[..., bytes <= 1534]",
                              "[..., bytes = 1534.0]",
                              "[..., bytes != 1533]"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern : {"[..., bytes > 1534]", "[..., bytes < 1000 || bytes > 2000]", "[ip > 1, ...]"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
  EXPECT_FALSE(matches("[a > 1]", "inf"));
}

TEST(ColumnPatternTest, ConditionsAreJoined) {
  EXPECT_TRUE(matches("[w1 = ERROR || w1 = \"WARN*\", w2]", "WARNING disk"));
  EXPECT_FALSE(matches("[w1!=ERROR&&w1!=WARN, w2]", "WARN disk"));
  EXPECT_TRUE(matches("[w1 = a || w1 = b && w1 = c]", "a"));
  EXPECT_FALSE(matches("[(w1 = a || w1 = b) && w1 = c]", "a"));
}

TEST(ColumnPatternTest, TheLastColumnIsAllThatRemains) {
  constexpr const char* kMessage = "ERROR 12:00:02 Failed to [process it]";
  EXPECT_TRUE(matches("[w1=ERROR, w2]", kMessage));
  EXPECT_FALSE(matches("[w1=ERROR]", kMessage));
  EXPECT_TRUE(matches("[w1, time, text = \"Failed to*\"]", kMessage));
  EXPECT_TRUE(matches("[timestamp=*Z, request_id=\"*-*\", event]", "2026-01-01T00:00:00Z\t1-2\tINFO\thello there"));
}

TEST(ColumnPatternTest, AMessageWithFewerFieldsDoesNotMatch) {
  EXPECT_FALSE(matches("[a, b]", "one"));
  EXPECT_FALSE(matches("[a]", ""));
  EXPECT_FALSE(matches("[..., a, b]", "one"));
}

TEST(ColumnPatternTest, AnEllipsisIsAnyNumberOfFields) {
  EXPECT_TRUE(matches("[...]", ""));
  EXPECT_TRUE(matches("[..., a = x]", "x"));
  EXPECT_FALSE(matches("[..., a = x]", "x y"));
  EXPECT_TRUE(matches("[a = x, ...]", "x"));
  EXPECT_TRUE(matches("[..., a = x, b = y, ...]", "0 x 1 x y 2"));
  EXPECT_FALSE(matches("[..., a = x, b = y, ...]", "0 x 1 y 2"));
  EXPECT_TRUE(matches("[a = 1, ..., b = 2, ..., c = 3]", "1 2 2 3"));
  EXPECT_FALSE(matches("[a = 1, ..., b = 2, ..., c = 3]", "1 3"));
}

TEST(ColumnPatternTest, NamesMayBeLeftOut) {
  EXPECT_TRUE(matches("[, b = 2,]", "1 2 3"));
  EXPECT_FALSE(matches("[, b = 2,]", "1 2"));
}

TEST(ColumnPatternTest, WhatIsWrittenWrongIsRefusedSayingHow) {
  EXPECT_EQ(refusal("[]"), "columns are missing between '[' and ']', such as [level = ERROR, ...]");
  EXPECT_EQ(refusal("[a, b"), "the closing ']' is missing");
  EXPECT_EQ(refusal("[a, b = 1"), "the closing ']' is missing");
  EXPECT_EQ(refusal("[a] x"), "'x' follows the closing ']'");
  EXPECT_EQ(refusal("[a = 1 b]"), "a comma or the closing ']' is missing before 'b]'");
  EXPECT_EQ(refusal("[... a]"), "a comma or the closing ']' is missing before 'a]'");
  EXPECT_EQ(refusal("[a b]"), "after the column 'a' stands a comma, ']', or =, !=, <, <=, > or >= and a value");
  EXPECT_EQ(refusal("[a = ]"), "a value is missing after the operator");
  EXPECT_EQ(refusal("[a = \"x]"), "a closing quotation mark is missing");
  EXPECT_EQ(refusal("[a > x]"), "'x' is no number, and <, <=, > and >= compare numbers");
  EXPECT_EQ(refusal("[a > %x%]"), "'%x%' is no number, and <, <=, > and >= compare numbers");
  EXPECT_EQ(refusal("[(a = 1]"), "a closing ')' is missing");
  EXPECT_EQ(refusal("[" + std::string(60, '(') + "a = 1"), "parentheses are nested more than 50 deep");
  EXPECT_EQ(
      refusal("[status = 4* && bytes > 1000]"),
      "the column 'status' is compared by the name 'bytes': a column has one name; put a comma before 'bytes', or "
      "write 'status'");
  EXPECT_EQ(
      refusal("[= 1]"),
      "the name of a column is missing: a column is a name, a comparison such as status = 4*, or ...; commas separate "
      "columns");
  EXPECT_EQ(refusal("[a = %x]"), "the closing % of a regular expression is missing");
  EXPECT_EQ(
      refusal("[a = %x%, b = %y%, c = %z%]"),
      "there are more than 2 regular expressions, which are the most that a pattern may have: join some with |, or use "
      "* or terms");
}

}  // namespace
}  // namespace dormouse::logs
