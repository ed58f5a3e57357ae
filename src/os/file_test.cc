// SPDX-License-Identifier: Apache-2.0

#include "os/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/uuid.h"

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;

class GiveBackSpaceTest : public testing::Test {
 protected:
  GiveBackSpaceTest() : path(fs::temp_directory_path() / ("dormouse-file-" + make_uuid())) {
    auto opened = open_file(path, O_RDWR | O_CREAT | O_EXCL);
    if (opened) {
      file = *std::move(opened);
    }
  }
  ~GiveBackSpaceTest() override { fs::remove(path); }

  static constexpr off_t kBytes = (off_t{40} << 20U) + 1;  // no multiple of a piece
  const fs::path path;
  UniqueFd file;
};

TEST_F(GiveBackSpaceTest, FileWithoutANameIsEmptied) {
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, kBytes - 1), 1);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  give_back_space(file);
  EXPECT_EQ(size_of(file.get()), 0U);
  EXPECT_EQ(allocated_bytes_of(file.get()), 0U);
}

TEST_F(GiveBackSpaceTest, FileThatHasANameIsLeftAsItIs) {
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  give_back_space(file);
  EXPECT_EQ(size_of(file.get()), static_cast<std::uint64_t>(kBytes));
}

}  // namespace
}  // namespace dormouse::os
