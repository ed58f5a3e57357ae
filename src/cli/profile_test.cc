// SPDX-License-Identifier: Apache-2.0

#include "cli/profile.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

class ProfileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "profile-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write_credentials(const std::string& key) const {
    std::ofstream(directory_ / "credentials")
        << "[default]\naws_access_key_id = " << key << "\naws_secret_access_key = secret\n";
  }

  std::filesystem::path directory_;
};

TEST_F(ProfileTest, DefaultsAreThoseOfTheDaemon) {
  const auto profile = find_profile({}, environment_of({}));
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->url, "http://127.0.0.1:9600");
  EXPECT_EQ(profile->region, "us-east-1");
  EXPECT_EQ(profile->data_directory, "/var/lib/dormouse");
}

TEST_F(ProfileTest, ServiceSpecificVariableWinsOverTheGeneralOne) {
  const auto profile = find_profile(
      {}, environment_of({{"AWS_ENDPOINT_URL", "http://a:1"}, {"AWS_ENDPOINT_URL_LAMBDA_MICROVMS", "http://b:2/"}}));
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->url, "http://b:2");
}

TEST_F(ProfileTest, OptionWinsOverVariables) {
  GlobalOptions options;
  options.endpoint = "127.0.0.1:9700";
  options.region = "eu-west-1";
  const auto profile = find_profile(options, environment_of({{"AWS_ENDPOINT_URL", "http://a:1"}, {"AWS_REGION", "x"}}));
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->url, "http://127.0.0.1:9700");
  EXPECT_EQ(profile->region, "eu-west-1");
}

TEST_F(ProfileTest, EndpointThatIsNoUrlIsRefusedWithAnExample) {
  GlobalOptions options;
  options.endpoint = "ftp://host";
  const auto profile = find_profile(options, environment_of({}));
  ASSERT_FALSE(profile);
  EXPECT_EQ(profile.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(profile.error().message(),
            "endpoint 'ftp://host' is no URL of a daemon; give something like http://127.0.0.1:9600");
}

TEST_F(ProfileTest, CredentialsOfANamedDataDirectoryWinOverVariables) {
  write_credentials("FROMFILE");
  GlobalOptions options;
  options.data_directory = directory_.string();
  const auto profile =
      find_profile(options, environment_of({{"AWS_ACCESS_KEY_ID", "FROMENV"}, {"AWS_SECRET_ACCESS_KEY", "s"}}));
  ASSERT_TRUE(profile);
  ASSERT_TRUE(profile->credential);
  EXPECT_EQ(profile->credential->access_key, "FROMFILE");
}

TEST_F(ProfileTest, VariablesWinOverTheDefaultDataDirectory) {
  write_credentials("FROMFILE");
  const auto profile = find_profile({},
                                    environment_of({{"DORMOUSE_DATA_DIR", directory_.string()},
                                                    {"AWS_ACCESS_KEY_ID", "FROMENV"},
                                                    {"AWS_SECRET_ACCESS_KEY", "s"}}));
  ASSERT_TRUE(profile);
  ASSERT_TRUE(profile->credential);
  EXPECT_EQ(profile->credential->access_key, "FROMENV");
}

TEST_F(ProfileTest, MissingCredentialsAreExplained) {
  const auto profile = find_profile({}, environment_of({{"DORMOUSE_DATA_DIR", directory_.string()}}));
  ASSERT_TRUE(profile);
  EXPECT_FALSE(profile->credential);
  EXPECT_NE(profile->credential_problem.find("name the daemon's data directory with --data-dir"), std::string::npos);
}

TEST_F(ProfileTest, CaIsTheDaemonsIfThereIsOne) {
  GlobalOptions options;
  options.data_directory = directory_.string();
  auto profile = find_profile(options, environment_of({}));
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->ca_file(), "");
  std::ofstream(directory_ / "ca.pem") << "x";
  EXPECT_EQ(profile->ca_file(), (directory_ / "ca.pem").string());
}

}  // namespace
}  // namespace dormouse::cli
