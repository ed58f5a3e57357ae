// SPDX-License-Identifier: Apache-2.0

#include "api/utf8.h"

#include <gtest/gtest.h>

namespace dormouse::api {
namespace {

TEST(Utf8Test, TellsWellFormedTextApart) {
  for (const std::string_view good : {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\xAD", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const std::string_view bad : {"\x80",
                                     "\xC3",
                                     "\xC0\x80",
                                     "\xE0\x80\x80",
                                     "\xED\xA0\x80",
                                     "\xF4\x90\x80\x80",
                                     "\xF5\x80\x80\x80",
                                     "\xE2\x82",
                                     "a\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Utf8Test, CountsCharactersAndNotBytes) { EXPECT_EQ(count_characters("a\xC3\xA9\xF0\x9F\x90\xAD"), 3U); }

TEST(Utf8Test, ReplacesEachByteThatIsNoText) {
  EXPECT_EQ(to_utf8("a\xFF\xC3\xA9\xE2\x82z"), "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(to_utf8("plain"), "plain");
}

TEST(Utf8Test, FindsACharacterCutAtTheEnd) {
  EXPECT_EQ(unfinished_tail("a\xE2\x82"), 2U);
  EXPECT_EQ(unfinished_tail("a\xF0"), 1U);
  EXPECT_EQ(unfinished_tail("a\xC3\xA9"), 0U);
  EXPECT_EQ(unfinished_tail("abc"), 0U);
  EXPECT_EQ(unfinished_tail("\x80\x80\x80\x80"), 0U);
  EXPECT_EQ(unfinished_tail(""), 0U);
}

}  // namespace
}  // namespace dormouse::api
