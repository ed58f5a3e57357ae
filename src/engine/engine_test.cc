// SPDX-License-Identifier: Apache-2.0

#include "engine/engine.h"

#include <gtest/gtest.h>

namespace dormouse::engine {
namespace {

EngineManifest example() {
  return {"7.2.22", {{"bin/qemu", 12, std::string(64, 'a')}, {"lib/libc.so.6", 34, std::string(64, 'b')}}};
}

TEST(EngineManifestTest, DecodesWhatItEncoded) {
  const auto decoded = decode_engine(encode(example()));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(encode(*decoded), encode(example()));
}

TEST(EngineManifestTest, AnotherFormatIsRefusedByNumber) {
  const auto decoded = decode_engine(R"({"format":7})");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message(), "engine.json has format 7: this version reads format 1");
}

TEST(EngineManifestTest, NoFileIsOutsideOfTheDirectory) {
  for (const char* const path : {"/etc/passwd", "../x", "lib/../../x", "", "lib//x", "./x"}) {
    EngineManifest manifest = example();
    manifest.files[0].path = path;
    const auto decoded = decode_engine(encode(manifest));
    ASSERT_FALSE(decoded) << path;
    EXPECT_EQ(decoded.error().message(), std::string("engine.json: '") + path + "' is no path below it");
  }
}

TEST(EngineManifestTest, ADigestIsSixtyFourHexadecimalDigits) {
  EXPECT_TRUE(is_digest(std::string(64, 'a')));
  EXPECT_FALSE(is_digest(std::string(63, 'a')));
  EXPECT_FALSE(is_digest(std::string(64, 'A')));
  EXPECT_FALSE(is_digest("../" + std::string(61, 'a')));
  EXPECT_EQ(short_digest("0123456789abcdef"), "0123456789ab");
}

}  // namespace
}  // namespace dormouse::engine
