// SPDX-License-Identifier: Apache-2.0

#include "os/disk_usage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;

class DiskUsageTest : public testing::Test {
 protected:
  DiskUsageTest() {
    char name[] = "/tmp/dm-usage-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~DiskUsageTest() override { fs::remove_all(directory_); }

  void write(const std::string& name, std::size_t bytes) {
    fs::create_directories((directory_ / name).parent_path());
    std::ofstream(directory_ / name) << std::string(bytes, 'x');
  }
  std::uint64_t allocated(const std::string& name) {
    struct stat status{};
    EXPECT_EQ(::lstat((directory_ / name).c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  std::uint64_t used() { return *DiskUsage().of(directory_, Context::with_timeout(std::chrono::seconds(10))); }

  fs::path directory_;
};

TEST_F(DiskUsageTest, BlocksCountAndHolesDoNot) {
  write("a/dense", 300'000);
  write("a/sparse", 1);
  fs::resize_file(directory_ / "a/sparse", 1U << 30U);
  EXPECT_EQ(used(), allocated("") + allocated("a") + allocated("a/dense") + allocated("a/sparse"));
  EXPECT_GE(used(), 300'000U);
  EXPECT_LT(used(), 1'000'000U);
}

TEST_F(DiskUsageTest, AFileWithTwoNamesCountsOnceAlsoOverTwoTrees) {
  write("one/file", 300'000);
  fs::create_directories(directory_ / "two");
  fs::create_hard_link(directory_ / "one/file", directory_ / "two/file");
  DiskUsage usage;
  const Context context = Context::with_timeout(std::chrono::seconds(10));
  EXPECT_EQ(*usage.of(directory_ / "one", context), allocated("one") + allocated("one/file"));
  EXPECT_EQ(*usage.of(directory_ / "two", context), allocated("two"));
}

TEST_F(DiskUsageTest, LinksAreNotFollowedAndWhatIsNotThereIsNothing) {
  write("outside/file", 300'000);
  fs::create_directories(directory_ / "tree");
  fs::create_directory_symlink(directory_ / "outside", directory_ / "tree/link");
  const Context context = Context::with_timeout(std::chrono::seconds(10));
  EXPECT_LT(*DiskUsage().of(directory_ / "tree", context), 100'000U);
  EXPECT_EQ(*DiskUsage().of(directory_ / "absent", context), 0U);
}

TEST_F(DiskUsageTest, EachFileIsShownUnderItsPath) {
  write("a/b/file", 5'000);
  write("top", 5'000);
  std::map<std::string, std::uint64_t> seen;
  ASSERT_TRUE(DiskUsage().of(directory_,
                             Context::with_timeout(std::chrono::seconds(10)),
                             [&](const fs::path& path, std::uint64_t bytes) { seen[path] = bytes; }));
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen.at("a/b/file"), allocated("a/b/file"));
  EXPECT_TRUE(seen.contains(".") && seen.contains("top"));
}

TEST_F(DiskUsageTest, ItEndsWithItsContext) {
  for (int i = 0; i < 300; ++i) {
    write(std::to_string(i), 1);
  }
  const Cancellation cancellation;
  cancellation.cancel();
  const auto counted = DiskUsage().of(directory_, Context(cancellation, SteadyTime::max()));
  ASSERT_FALSE(counted);
  EXPECT_EQ(counted.error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace dormouse::os
