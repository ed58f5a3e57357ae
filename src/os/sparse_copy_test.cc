// SPDX-License-Identifier: Apache-2.0

#include "os/sparse_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "os/file.h"

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;

class CopySparsely : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sparse-copy-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    const auto file = open_file(directory_ / "from", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    ASSERT_EQ(::ftruncate(file->get(), kSize), 0);
    ASSERT_EQ(::pwrite(file->get(), "data", 4, kOffset), 4);
  }
  void TearDown() override { fs::remove_all(directory_); }

  static constexpr off_t kSize = 64L << 20L;
  static constexpr off_t kOffset = 33L << 20L;
  fs::path directory_;
};

TEST_F(CopySparsely, KeepsContentSizeAndHoles) {
  const auto copied =
      copy_sparsely(directory_ / "from", directory_ / "to", Context::with_timeout(std::chrono::minutes(1)));
  ASSERT_TRUE(copied) << copied.error().message();
  const auto file = open_file(directory_ / "to", O_RDONLY);
  ASSERT_TRUE(file);
  EXPECT_EQ(size_of(file->get()), static_cast<std::uint64_t>(kSize));
  EXPECT_LT(allocated_bytes_of(file->get()), 1U << 20U);
  std::string data(4, '\0');
  ASSERT_EQ(::pread(file->get(), data.data(), 4, kOffset), 4);
  EXPECT_EQ(data, "data");
}

TEST_F(CopySparsely, RefusesATargetThatExistsAndLeavesItAlone) {
  const auto copied =
      copy_sparsely(directory_ / "from", directory_ / "from", Context::with_timeout(std::chrono::minutes(1)));
  ASSERT_FALSE(copied);
  EXPECT_NE(copied.error().message().find("File exists"), std::string::npos) << copied.error().message();
  EXPECT_TRUE(fs::exists(directory_ / "from"));
}

TEST_F(CopySparsely, RemovesWhatItBeganWhenOutOfTime) {
  const auto copied =
      copy_sparsely(directory_ / "from", directory_ / "to", Context::with_timeout(std::chrono::milliseconds(0)));
  if (copied) {
    GTEST_SKIP() << "this file system shares extents: nothing takes time";
  }
  EXPECT_EQ(copied.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_FALSE(fs::exists(directory_ / "to"));
}

}  // namespace
}  // namespace dormouse::os
