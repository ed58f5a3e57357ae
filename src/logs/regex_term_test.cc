// SPDX-License-Identifier: Apache-2.0

#include "logs/regex_term.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

bool found(std::string_view expression, std::string_view text) {
  const auto regex = RegexTerm::parse(expression);
  EXPECT_TRUE(regex) << expression << ": " << (regex ? "" : regex.error().message());
  return regex && regex->found_in(text);
}

std::string refusal(std::string_view expression) {
  const auto regex = RegexTerm::parse(expression);
  EXPECT_FALSE(regex) << expression;
  return regex ? "" : regex.error().message();
}

// "the regular expression 'EXPRESSION' " before what is said.
std::string about(std::string_view expression, std::string_view said) {
  return "the regular expression '" + std::string(expression) + "' " + std::string(said);
}

TEST(RegexTermTest, ThePartOfATextThatMatchesMayBeAnywhere) {
  EXPECT_TRUE(found("AUTHORIZED", "[ERROR 401] UNAUTHORIZED REQUEST"));
  EXPECT_FALSE(found("authorized", "AUTHORIZED"));
  EXPECT_TRUE(found("^[hc]at", "cat and hat"));
  EXPECT_FALSE(found("^[hc]at", "a cat"));
  EXPECT_TRUE(found("[hc]at$", "a cat"));
  EXPECT_FALSE(found("[hc]at$", "cats"));
}

TEST(RegexTermTest, TheServiceSExamplesMatchAsItSays) {
  EXPECT_TRUE(found("colou?r", "the color"));
  EXPECT_TRUE(found("[abcx-z]", "y"));
  EXPECT_FALSE(found("^a{3,5}$", "aa"));
  EXPECT_TRUE(found("^a{3,5}$", "aaaaa"));
  EXPECT_FALSE(found("^a{3,5}$", "aaaaaa"));
  EXPECT_TRUE(found("^starting|^initializing|^shutting down", "shutting down now"));
  EXPECT_FALSE(found("^starting|^initializing|^shutting down", "skipping initializing"));
  EXPECT_TRUE(found("abcc|ab[^c]$", "aba"));
  EXPECT_FALSE(found("abcc|ab[^c]$", "aac"));
  for (const char* text : {"[a]", "[]]", "[ ]"}) {
    EXPECT_TRUE(found("^\\[.\\]$", text)) << text;
  }
  EXPECT_TRUE(found("ab*c", "ac"));
  EXPECT_FALSE(found("ab+c", "ac"));
  EXPECT_TRUE(found("10\\.10\\.0\\.1", "from 10.10.0.1"));
  EXPECT_FALSE(found("10\\.10\\.0\\.1", "10010,051"));
  EXPECT_TRUE(found("10.10.0.1", "10010,051"));
  EXPECT_TRUE(found("\\x3A\\x28", "a:(b"));
}

TEST(RegexTermTest, EscapesStandForKindsOfCharacters) {
  EXPECT_TRUE(found("^\\d\\D\\w\\W\\s\\S$", "1a_! x"));
  EXPECT_FALSE(found("\\d", "no"));
  EXPECT_TRUE(found("^[\\d_]+$", "1_2"));
  EXPECT_TRUE(found("a\\-b\\\\c", "a-b\\c"));
  EXPECT_TRUE(found("^\\:\\_\\#\\=\\@\\/\\;\\,\\-\\ $", ":_#=@/;,- "));
  EXPECT_TRUE(found("^[a\\-z]$", "-"));
  EXPECT_FALSE(found("^[a\\-z]$", "b")) << "no range";
  EXPECT_TRUE(found("^\\^\\$\\?\\{\\}\\|\\*\\+$", "^$?{}|*+"));
}

TEST(RegexTermTest, OneNumberOfARepetitionMayBeLeftOut) {
  EXPECT_TRUE(found("^a{,2}$", ""));
  EXPECT_FALSE(found("^a{,2}$", "aaa"));
  EXPECT_TRUE(found("^a{2,}$", "aaaa"));
  EXPECT_FALSE(found("^a{2,}$", "a"));
  EXPECT_TRUE(found("^a{2}$", "aa"));
  EXPECT_TRUE(found("^a{1, 2}$", "aa")) << "as the service's documentation writes it";
}

TEST(RegexTermTest, ADotIsOneCharacterLineBreaksIncluded) {
  EXPECT_TRUE(found("^a.b$",
                    "a\xc3\xa4"
                    "b"));
  EXPECT_TRUE(found("^a.b$", "a\nb"));
  EXPECT_FALSE(found("^a.b$",
                     "a\xff"
                     "b"))
      << "which is no character";
  EXPECT_TRUE(found("b$",
                    "a\xff"
                    "b"));
}

TEST(RegexTermTest, ClosingBracketsAloneAreCharacters) { EXPECT_TRUE(found("^a]}$", "a]}")); }

TEST(RegexTermTest, WhatTheServiceDoesNotKnowIsRefusedSayingWhatToWrite) {
  constexpr const char* kUnknown = ", which regular expressions of filter patterns do not know: write ";
  EXPECT_EQ(refusal("something!"), about("something!", "has '!'" + std::string(kUnknown) + "\\x21 for the character"));
  EXPECT_EQ(refusal("(a|b)"),
            about("(a|b)", "has '('" + std::string(kUnknown) + "\\x28 for the character; there are no groups"));
  EXPECT_EQ(refusal("[&]"), about("[&]", "has '&'" + std::string(kUnknown) + "\\x26 for the character"));
  EXPECT_EQ(refusal("a\tb"), about("a\tb", "has '\\x09'" + std::string(kUnknown) + "\\x09 for the character"));
  EXPECT_EQ(
      refusal("caf\xc3\xa9"),
      about("caf\xc3\xa9",
            "has a character beyond ASCII, which regular expressions of filter patterns do not know: use . for it"));
  for (const char* expression : {"\\b", "\\p", "\\1", "\\Q", "\\!", "\\n"}) {
    EXPECT_EQ(
        refusal(expression),
        about(expression,
              "has '" + std::string(expression) +
                  "', which is no escape of filter patterns: there are \\d, \\D, \\s, \\S, \\w, \\W, \\xhh and an "
                  "operator as itself, such as \\."));
  }
  EXPECT_EQ(refusal("a*?"),
            about("a*?", "repeats twice with '*?': one repetition follows a character; write \\? for the character"));
  EXPECT_EQ(refusal("[[:alpha:]]"), about("[[:alpha:]]", "has a '[' within a class: write \\[ for the character"));
}

TEST(RegexTermTest, WhatIsWrittenWrongIsRefusedSayingHow) {
  EXPECT_EQ(refusal(""), "a regular expression is missing between % and %, such as %ERR.*%");
  EXPECT_EQ(
      refusal("*a"),
      about("*a", "repeats nothing with '*': put a character or a class before it, or write \\* for the character"));
  EXPECT_EQ(
      refusal("a|+"),
      about("a|+", "repeats nothing with '+': put a character or a class before it, or write \\+ for the character"));
  EXPECT_EQ(refusal("[a"),
            about("[a", "has a class that is not closed: put ] at its end, or write \\[ for the character"));
  EXPECT_EQ(refusal("[]"),
            about("[]", "has an empty class: put characters between [ and ], or write \\] for the character"));
  EXPECT_EQ(refusal("[z-a]"), about("[z-a]", "is not understood: invalid character class range: z-a"));
  for (const auto& [expression, part] : {std::pair("a{", "{"),
                                         std::pair("a{x}b", "{x}"),
                                         std::pair("a{}", "{}"),
                                         std::pair("a{,}", "{,}"),
                                         std::pair("a{3,2}", "{3,2}"),
                                         std::pair("a{257}", "{257}"),
                                         std::pair("a{-1}", "{-1}")}) {
    EXPECT_EQ(refusal(expression),
              about(expression,
                    "has '" + std::string(part) +
                        "': in braces stands how often the character before is repeated, such as {3}, {2,}, {,5} or "
                        "{2,5}, at most 256; write \\{ for the character"));
  }
  for (const char* expression : {"\\xg0", "\\x8", "\\x80", "\\x-1"}) {
    EXPECT_EQ(refusal(expression),
              about(expression,
                    "has '" + std::string(expression) +
                        "': behind \\x stand the two hexadecimal digits of an ASCII character, such as \\x28"));
  }
  EXPECT_NE(refusal("\\"), "");
}

TEST(RegexTermTest, WhatRepetitionsStandForIsBounded) {
  EXPECT_TRUE(found("^[0-9a-f]{128}$", std::string(128, 'a'))) << "a digest";
  const std::string said =
      "has classes, dots and repetitions that stand for more than 256 characters: repeat less often, or use * or +";
  EXPECT_EQ(refusal("a{200}.{57}"), about("a{200}.{57}", said));
  EXPECT_EQ(refusal(std::string(257, '.')), about(std::string(257, '.'), said));
  EXPECT_TRUE(found(std::string(1000, 'a'), std::string(1000, 'a'))) << "characters alone cost nothing";
}

TEST(RegexTermTest, ATextThatBacktrackingWouldTakeForEverForTakesAMoment) {
  EXPECT_FALSE(found("^a*a*a*a*a*a*a*a*a*a*b$", std::string(32'768, 'a')));
}

}  // namespace
}  // namespace dormouse::logs
