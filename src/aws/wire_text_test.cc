// SPDX-License-Identifier: Apache-2.0
//
// ARNs, times, encodings and the credentials file.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/arn.h"
#include "aws/credentials_file.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::aws {
namespace {

TEST(ArnTest, PartsAreReadAndWrittenBack) {
  const std::string text = "arn:aws:lambda:us-east-1:000000000000:microvm-image:a:b";
  const auto arn = parse_arn(text);
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->service, "lambda");
  EXPECT_EQ(arn->account, "000000000000");
  EXPECT_EQ(arn->resource, "microvm-image:a:b");
  EXPECT_EQ(to_string(*arn), text);
}

TEST(ArnTest, WhatIsNoArnIsRefused) {
  for (const char* text : {"", "x", "arn:aws:lambda", "arn:aws:lambda:::", "brn:aws:s3:::x", "arn::s3:::x"}) {
    EXPECT_FALSE(parse_arn(text)) << text;
  }
}

TEST(TimeTest, EachSpellingIsReadBack) {
  const WallTime time = from_iso8601_basic("20260102T030405Z").value();
  EXPECT_EQ(to_iso8601_basic(time), "20260102T030405Z");
  EXPECT_EQ(to_http_date(time), "Fri, 02 Jan 2026 03:04:05 GMT");
  EXPECT_EQ(from_http_date(to_http_date(time)), time);
  EXPECT_EQ(to_iso8601_milliseconds(time + std::chrono::milliseconds(67)), "2026-01-02T03:04:05.067Z");
  EXPECT_DOUBLE_EQ(to_epoch_seconds(time + std::chrono::milliseconds(250)), 1767323045.25);
}

TEST(TimeTest, WhatIsNoTimeIsRefused) {
  for (const char* text : {"",
                           "20260102T030405",
                           "20261302T030405Z",
                           "20260230T030405Z",
                           "20260102T250405Z",
                           "2026010xT030405Z",
                           "19691231T235959Z",
                           "40520408T030405Z"}) {
    EXPECT_FALSE(from_iso8601_basic(text)) << text;
  }
  EXPECT_FALSE(from_http_date("Fri, 02 Xan 2026 03:04:05 GMT"));
}

TEST(EncodingTest, PercentEncodingIsUndone) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  EXPECT_EQ(percent_decode(percent_encode(all, Slash::kEncode)), all);
  EXPECT_EQ(percent_encode("a/b c~", Slash::kKeep), "a/b%20c~");
  EXPECT_FALSE(percent_decode("%4"));
  EXPECT_FALSE(percent_decode("%g0"));
}

TEST(EncodingTest, HexadecimalIsUndone) {
  EXPECT_EQ(from_hex(to_hex("\x01\xff")), "\x01\xff");
  EXPECT_EQ(from_hex("fF"), "\xff");
  EXPECT_FALSE(from_hex("f"));
  EXPECT_FALSE(from_hex("0x"));
}

TEST(EncodingTest, Base64IsStrict) {
  EXPECT_EQ(to_base64("ab"), "YWI=");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64(""), "");
  for (const char* text : {"YWI", " YWI", "YW=I", "====", "Y-I="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

class CredentialsFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dormouse-credentials-XXXXXX").native();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(CredentialsFileTest, FirstStartMakesAKeyThatLaterStartsRead) {
  const auto path = directory_ / "credentials";
  const auto made = CredentialsFile::open_or_create(path, "000000000000");
  ASSERT_TRUE(made) << made.error().message();
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);

  const auto read = CredentialsFile::open_or_create(path, "000000000000");
  ASSERT_TRUE(read);
  const Credential key = made->profile("default").value();
  EXPECT_THAT(key.access_key, ::testing::MatchesRegex("AKIA[A-Z2-7]{16}"));
  EXPECT_EQ(key.secret.size(), 40u);
  const auto found = read->find(key.access_key, "", WallTime());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->secret, key.secret);
  EXPECT_EQ(found->account, "000000000000");
  EXPECT_FALSE(read->find("AKIAOTHER", "", WallTime()));
  EXPECT_FALSE(read->find(key.access_key, "a session's token", WallTime()));  // the key is of no session
}

TEST_F(CredentialsFileTest, ErrorsNameFileAndLine) {
  const auto no_profile = CredentialsFile::parse("# x\naws_access_key_id = a\n", "f", "0");
  ASSERT_FALSE(no_profile);
  EXPECT_EQ(no_profile.error().message(),
            "f:2: expected [profile] and then aws_access_key_id = KEY, aws_secret_access_key = SECRET");
  const auto no_secret = CredentialsFile::parse("[default]\naws_access_key_id = a\n", "f", "0");
  ASSERT_FALSE(no_secret);
  EXPECT_EQ(no_secret.error().message(), "f: profile 'default' lacks aws_access_key_id or aws_secret_access_key");
  const auto empty = CredentialsFile::parse("", "f", "0");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "f: there is no profile; remove the file to have one made");
}

}  // namespace
}  // namespace dormouse::aws
