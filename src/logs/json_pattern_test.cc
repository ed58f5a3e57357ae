// SPDX-License-Identifier: Apache-2.0

#include "logs/json_pattern.h"

#include <string>

#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

constexpr const char* kMessage =
    R"({"level":"ERROR","status":503,"ms":1500.5,"ok":true,"off":false,"none":null,"user":{"name":"ann","tags":["a","b"]},)"
    R"("list":[{"id":1},{"id":7}],"a.b":"dotted","text":"say \"hi\" *","ip":"10.0.0.7"})";

bool matches(const std::string& pattern, std::string_view message = kMessage) {
  const auto parsed = JsonPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error().message());
  return parsed && parsed->matches(message);
}

std::string refusal(const std::string& pattern) {
  const auto parsed = JsonPattern::parse(pattern);
  EXPECT_FALSE(parsed) << pattern;
  return parsed ? "" : parsed.error().message();
}

TEST(JsonPatternTest, StringsAreComparedWithWildcards) {
  for (const char* pattern : {"{ $.level = \"ERROR\" }",
                              "{$.level=ERROR}",
                              "{ $.level = \"ERR*\" }",
                              "{ $.level = *R }",
                              "{ $.level != WARN }",
                              "{ $.ip = 10.0.* }",
                              "{ $.user.name = ann }",
                              "{ $.text = \"say \\\"hi\\\" *\" }"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern :
       {"{ $.level = error }", "{ $.level = ERR }", "{ $.level != ERROR }", "{ $.level = *X* }", "{ $.level = E*R }"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
}

TEST(JsonPatternTest, NumbersAreComparedAsNumbers) {
  for (const char* pattern : {"{ $.status = 503 }",
                              "{ $.status = 5.03e2 }",
                              "{ $.status >= 503 }",
                              "{ $.status <= 503 }",
                              "{ $.ms > 1500 }",
                              "{ $.ms < 1.6e3 }",
                              "{ $.status != 500 }"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern : {"{ $.status > 503 }", "{ $.level > 1 }", "{ $.status = 50 }", "{ $.status = \"503\" }"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
}

TEST(JsonPatternTest, WildcardsMatchNumbersAsText) {
  for (const char* pattern : {"{ $.status = 5* }", "{ $.status = * }", "{ $.ms = 1500.* }", "{ $.status != 4* }"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  EXPECT_FALSE(matches("{ $.status != 5* }"));
  EXPECT_FALSE(matches("{ $.status = \"5*\" }")) << "a text, which a number is not";
}

TEST(JsonPatternTest, RegularExpressionsMatchTextsAndNumbers) {
  for (const char* pattern : {"{ $.level = %^ERR% }",
                              "{ $.level != %WARN|INFO% && $.status = %^5[0-9]{2}$% }",
                              "{ $.user.tags[*] = %^b$% }",
                              "{ $.ms = %^1500\\.5$% }",
                              "{ $.* = %^10\\.0\\.0\\.[0-9]{1,3}$% }"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern :
       {"{ $.level = %err% }", "{ $.level != %ERR% }", "{ $.none = %null% }", "{ $.nothing = %.*% }"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
}

TEST(JsonPatternTest, NullsBooleansAndPresenceAreAskedFor) {
  for (const char* pattern : {"{ $.none IS NULL }",
                              "{ $.ok IS TRUE }",
                              "{ $.off IS FALSE }",
                              "{ $.ok = true }",
                              "{ $.user EXISTS }",
                              "{ $.nothing NOT EXISTS }",
                              "{ $.user.tags[2] NOT EXISTS }"}) {
    EXPECT_TRUE(matches(pattern)) << pattern;
  }
  for (const char* pattern :
       {"{ $.nothing IS NULL }", "{ $.level IS TRUE }", "{ $.ok IS FALSE }", "{ $.none NOT EXISTS }"}) {
    EXPECT_FALSE(matches(pattern)) << pattern;
  }
}

TEST(JsonPatternTest, ElementsAndNamesWithDotsAreReached) {
  EXPECT_TRUE(matches("{ $.list[1].id = 7 }"));
  EXPECT_FALSE(matches("{ $.list[0].id = 7 }"));
  EXPECT_TRUE(matches("{ $.list[*].id = 7 }"));
  EXPECT_FALSE(matches("{ $.list[*].id = 8 }"));
  EXPECT_TRUE(matches("{ $['a.b'] = dotted }"));
  EXPECT_TRUE(matches("{ $.['a.b'] = dotted }"));
  EXPECT_TRUE(matches("{ $.* = dotted }"));
  EXPECT_TRUE(matches("{ $.*.name = ann }"));
  EXPECT_FALSE(matches("{ $.list.* = 1 }"));
}

TEST(JsonPatternTest, AndBindsMoreTightlyThanOr) {
  EXPECT_TRUE(matches("{ $.level = ERROR || $.status = 1 && $.ms = 2 }"));
  EXPECT_FALSE(matches("{ ($.level = ERROR || $.status = 1) && $.ms = 2 }"));
  EXPECT_TRUE(matches("{ ($.level = WARN) || (($.status = 503) && ($.ok IS TRUE)) }"));
}

TEST(JsonPatternTest, WhatIsNotThereIsNotCompared) {
  EXPECT_FALSE(matches("{ $.nothing = a }"));
  EXPECT_FALSE(matches("{ $.nothing != a }"));
  EXPECT_FALSE(matches("{ $.list != 1 }")) << "no single value";
  EXPECT_FALSE(matches("{ $.user != 1 }"));
  EXPECT_FALSE(matches("{ $.level.deeper = a }"));
}

TEST(JsonPatternTest, MessageThatIsNoJsonObjectMatchesNothing) {
  for (const char* message : {"", "ERROR", "[1]", "{\"level\":", "{} trailing"}) {
    EXPECT_FALSE(matches("{ $.level NOT EXISTS }", message)) << message;
  }
  EXPECT_TRUE(matches("{ $.level NOT EXISTS }", "{}"));
}

TEST(JsonPatternTest, WhatIsWrittenWrongIsRefusedSayingHow) {
  EXPECT_EQ(refusal("{ $.a = 1"), "the closing '}' is missing");
  EXPECT_EQ(refusal("{ $.a = 1 } x"), "'x' follows the closing '}'");
  EXPECT_EQ(refusal("{ a = 1 }"), "a property is missing, such as $.level");
  EXPECT_EQ(refusal("{ $ = 1 }"), "the name of a property is missing after '$', such as $.level");
  EXPECT_EQ(refusal("{ $.a = }"), "a value is missing after the operator");
  EXPECT_EQ(refusal("{ $.a = \"x }"), "a closing quotation mark is missing");
  EXPECT_EQ(refusal("{ ($.a = 1 }"), "a closing ')' is missing");
  EXPECT_EQ(refusal("{ $.a > b }"), "'b' is no number, and <, <=, > and >= compare numbers");
  EXPECT_EQ(refusal("{ $.a IS 1 }"),
            "after a property stands =, !=, <, <=, > or >= and a value, IS NULL, IS TRUE, IS FALSE or NOT EXISTS");
  EXPECT_EQ(refusal("{ $.a[x] = 1 }"),
            "in brackets stands the number of an element, *, or a name in apostrophes, such as ['a.b']");
  EXPECT_EQ(refusal("{ $.a > %x% }"), "'%x%' is no number, and <, <=, > and >= compare numbers");
  EXPECT_EQ(refusal("{ $.a = %x }"), "the closing % of a regular expression is missing");
  EXPECT_EQ(
      refusal("{ $.a = %x% || $.b = %y% || $.c != %z% }"),
      "there are more than 2 regular expressions, which are the most that a pattern may have: join some with |, or use "
      "* or terms");
  EXPECT_EQ(refusal("{" + std::string(60, '(') + "$.a = 1"), "parentheses are nested more than 50 deep");
}

}  // namespace
}  // namespace dormouse::logs
