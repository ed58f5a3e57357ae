// SPDX-License-Identifier: Apache-2.0

#include "daemon/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace dormouse::daemon {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30U;

TEST(MemoryBudgetOptionTest, IsASizeAShareOfTheHostOrNone) {
  EXPECT_EQ(parse_budget("memory", "512M", 0)->value(), kGiB / 2);
  EXPECT_EQ(parse_budget("memory", "6G", 0)->value(), 6 * kGiB);
  EXPECT_EQ(parse_budget("memory", "80%", 100 * kGiB)->value(), 80 * kGiB);
  EXPECT_EQ(parse_budget("memory", "100%", 10 * kGiB)->value(), 10 * kGiB / 100 * 100);
  EXPECT_FALSE(parse_budget("memory", "none", kGiB)->has_value());
}

TEST(MemoryBudgetOptionTest, TheDisksIsReadTheSameWay) {
  EXPECT_EQ(parse_budget("disk", "90%", 100 * kGiB)->value(), 90 * kGiB);
  EXPECT_EQ(parse_budget("disk", "lots", kGiB).error().message(),
            "'lots' is no disk budget: a size from 1M to 1048576G, a share from 1% to 100%, or none");
}

TEST(MemoryBudgetOptionTest, AnythingElseIsRefusedWithWhatItMayBe) {
  for (const char* const text :
       {"", "0M", "6", "6g", "6 G", "-1G", "101%", "0%", "%", "G", "1048577G", "99999999999999999999G"}) {
    const auto parsed = parse_budget("memory", text, kGiB);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message(),
              "'" + std::string(text) +
                  "' is no memory budget: a size from 1M to 1048576G, a share from 1% to 100%, or none");
  }
}

// Reads command lines that name a file.
class ConfigurationFileTest : public ::testing::Test {
 protected:
  ConfigurationFileTest() {
    std::string pattern = ::testing::TempDir() + "dormouse-options-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    file_ = directory_ / "dormoused.toml";
  }
  ~ConfigurationFileTest() override { std::filesystem::remove_all(directory_); }
  ConfigurationFileTest(const ConfigurationFileTest&) = delete;
  ConfigurationFileTest& operator=(const ConfigurationFileTest&) = delete;

  std::optional<Options> read(const std::string& text, std::vector<std::string> more = {}) {
    std::ofstream(file_) << text;
    std::vector<std::string> words = {"dormoused", "--config", file_};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    return read_options(static_cast<int>(arguments.size()), arguments.data(), exit_code_);
  }

  // The first line of what is said when the file and the command line are refused.
  std::string refusal(const std::string& text, std::vector<std::string> more = {}) {
    ::testing::internal::CaptureStderr();
    const auto options = read(text, std::move(more));
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_FALSE(options);
    EXPECT_EQ(exit_code_, 2);
    return said.substr(0, said.find('\n'));
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
  int exit_code_ = -1;
};

TEST_F(ConfigurationFileTest, SetsWhatTheLongOptionsSet) {
  const auto options = read(R"(# a comment
data-dir = "/srv/dormouse"
api = ["127.0.0.1:9700", "10.0.0.1:9700"]
endpoint = "127.0.0.1:9743"
keep-suspended = 0
image-names = true
)");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->data_directory, "/srv/dormouse");
  EXPECT_EQ(options->api, (std::vector<std::string>{"127.0.0.1:9700", "10.0.0.1:9700"}));
  EXPECT_EQ(options->endpoint, std::vector<std::string>{"127.0.0.1:9743"});
  EXPECT_EQ(options->keep_suspended_seconds, 0);
  EXPECT_TRUE(options->image_names);
  EXPECT_EQ(options->region, "us-east-1");
}

TEST_F(ConfigurationFileTest, GivesWayToTheCommandLineOptionByOption) {
  const auto options =
      read("data-dir = \"/srv/dormouse\"\napi = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\nregion = \"eu-west-1\"\n",
           {"--api", "127.0.0.1:3", "--data-dir=/elsewhere"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->data_directory, "/elsewhere");
  EXPECT_EQ(options->api, std::vector<std::string>{"127.0.0.1:3"});
  EXPECT_EQ(options->region, "eu-west-1");
}

TEST_F(ConfigurationFileTest, UnknownNameIsRefusedWithTheFile) {
  const std::string hint = "is no option: lines are NAME = VALUE, with the names of the long options";
  const std::string file = file_.string();
  EXPECT_EQ(refusal("data-dir = \"/srv/dormouse\"\nwombat = 3\n"), file + ": 'wombat' " + hint);
  EXPECT_EQ(refusal("data-dir = \"/srv/dormouse\"\n[daemon]\nregion = \"x\"\n"), file + ": '[daemon]' " + hint);
  EXPECT_EQ(refusal("data-dir /srv/dormouse\n"), file + ": 'data-dir /srv/dormouse' " + hint);
}

TEST_F(ConfigurationFileTest, WrongValueIsRefusedWithTheFileAndWhatItMayBe) {
  const std::string file = file_.string();
  EXPECT_EQ(refusal("data-dir = \"/d\"\nkeep-suspended = 9999\n"),
            file + ": --keep-suspended: Value 9999 not in range 0 to 3600");
  EXPECT_EQ(refusal("data-dir = \"/d\"\naccel = \"hvf\"\n"), file + ": --accel: hvf not in {auto,kvm,tcg}");
  EXPECT_EQ(refusal("data-dir = \"/d\"\nmemory-budget = \"lots\"\n"),
            file +
                ": --memory-budget: 'lots' is no memory budget: a size from 1M to 1048576G, a share from 1% to 100%, "
                "or none");
}

TEST_F(ConfigurationFileTest, IsNotBlamedForWhatTheCommandLineHasWrong) {
  EXPECT_EQ(refusal("data-dir = \"/d\"\n", {"--accel", "hvf"}), "--accel: hvf not in {auto,kvm,tcg}");
  EXPECT_EQ(refusal("region = \"eu-west-1\"\n"), "--data-dir is required");
}

TEST_F(ConfigurationFileTest, ThatIsNotThereIsNamed) {
  const std::string missing = (directory_ / "none.toml").string();
  std::vector<std::string> words = {"dormoused", "--data-dir", "/d", "--config", missing};
  std::array<char*, 5> arguments{};
  std::transform(words.begin(), words.end(), arguments.begin(), [](std::string& word) { return word.data(); });
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(read_options(5, arguments.data(), exit_code_));
  EXPECT_EQ(::testing::internal::GetCapturedStderr().rfind(missing + " was not readable", 0), 0U);
  EXPECT_EQ(exit_code_, 2);
}

// docs/guides/daemon.md shows a file: it is one that works.
TEST_F(ConfigurationFileTest, OfTheGuideIsRead) {
  std::ifstream guide(DM_SOURCE_DIRECTORY "/docs/guides/daemon.md");
  const std::string text{std::istreambuf_iterator<char>(guide), {}};
  const std::string opening = "```toml\n";
  const auto begin = text.find(opening);
  ASSERT_NE(begin, std::string::npos);
  const auto end = text.find("```", begin + opening.size());
  ASSERT_NE(end, std::string::npos);
  const auto options = read(text.substr(begin + opening.size(), end - begin - opening.size()));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->data_directory, "/var/lib/dormouse");
  EXPECT_EQ(options->api.size(), 2U);
  EXPECT_EQ(options->memory_budget, "12G");
}

}  // namespace
}  // namespace dormouse::daemon
