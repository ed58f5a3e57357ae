// SPDX-License-Identifier: Apache-2.0

#include "protocol/base64.h"

#include <gtest/gtest.h>

namespace dormouse::protocol {
namespace {

TEST(Base64, EncodesTheExamplesOfTheRfc) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, DecodesWhatItEncodesForEveryByteAndLength) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(255 - i));
    const auto decoded = decode_base64(encode_base64(bytes));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base64, AcceptsNoOtherSpelling) {
  for (const char* const text : {"Zg", "Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Zm9!", "Zm8=\n", "Zm 9", "Z=8="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
  EXPECT_EQ(decode_base64("Zh==").error().message(), "not canonical base64");
}

}  // namespace
}  // namespace dormouse::protocol
