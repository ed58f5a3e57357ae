// SPDX-License-Identifier: Apache-2.0

#include "cli/role_answer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

using testing::HasSubstr;

class RoleAnswerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "dm-role-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string file_with(const std::string& text) const {
    const std::filesystem::path path = directory_ / "policy.json";
    std::ofstream(path) << text;
    return path.string();
  }

 private:
  std::filesystem::path directory_;
};

std::string refused(ErrorKind kind, const std::string& message) {
  const Status status = role_refusal(Error(kind, message), "build");
  EXPECT_EQ(status.error().kind(), kind);
  return status.error().message();
}

TEST_F(RoleAnswerTest, RoleIsNamedByItsNameOrItsArn) {
  EXPECT_EQ(role_name("build"), "build");
  EXPECT_EQ(role_name("arn:aws:iam::000000000000:role/build"), "build");
  EXPECT_EQ(role_name("arn:aws:iam::000000000000:role/team/a/build"), "build");
}

TEST_F(RoleAnswerTest, RefusalSaysWhatCanBeDone) {
  EXPECT_EQ(refused(ErrorKind::kNotFound, "The role with name build cannot be found."),
            "The role with name build cannot be found. `dormouse role list` shows those there are.");
  for (const char* message : {"The role policy with name logs cannot be found.", "Policy arn:x was not found."}) {
    EXPECT_EQ(refused(ErrorKind::kNotFound, message),
              std::string(message) + " `dormouse role policy list build` shows those there are.");
  }
  EXPECT_THAT(refused(ErrorKind::kConflict, "Cannot exceed quota for PoliciesPerRole: 20"),
              HasSubstr("20 `dormouse role policy list build`"));
  EXPECT_THAT(refused(ErrorKind::kNotFound, "Policy arn:x does not exist or is not attachable."),
              HasSubstr("arn:aws:iam::aws:policy/ReadOnlyAccess"));
  EXPECT_EQ(refused(ErrorKind::kUnavailable, "try again"), "try again");
}

TEST_F(RoleAnswerTest, PolicyIsReadAsItStandsInTheFile) {
  const std::string text = "{ \"Statement\": [] }\n";
  const auto policy = read_policy(file_with(text));
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(*policy, text);
}

TEST_F(RoleAnswerTest, WhatIsNoJsonObjectIsRefusedBeforeItIsSent) {
  for (const char* text : {"", "{", "[]", "allow all"}) {
    const auto policy = read_policy(file_with(text));
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().kind(), ErrorKind::kInvalidArgument);
    EXPECT_THAT(policy.error().message(), HasSubstr("policy.json' is no JSON object"));
    EXPECT_THAT(policy.error().message(), HasSubstr(R"(write {"Version": "2012-10-17", "Statement": [...]})"));
  }
  const auto long_one = read_policy(file_with(std::string(131'073, ' ')));
  ASSERT_FALSE(long_one);
  EXPECT_THAT(long_one.error().message(), HasSubstr("longer than the limit of 131072 bytes"));
}

TEST_F(RoleAnswerTest, PolicyOfAnAnswerIsDecoded) {
  EXPECT_EQ(decoded_policy("%7B%22a%22%3A%20%22b+c%22%7D"), R"({"a": "b+c"})");
  EXPECT_EQ(decoded_policy("%7"), std::nullopt);
}

}  // namespace
}  // namespace dormouse::cli
