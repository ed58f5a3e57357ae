// SPDX-License-Identifier: Apache-2.0

#include "agent/root_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

namespace fs = std::filesystem;

class RootDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "root-directory-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    fs::create_directories(base_ / "root/etc");
    fs::create_directories(base_ / "root/bin");
    write("outside", "secret", 0755);
    write("root/etc/passwd", "inside", 0644);
    write("root/bin/tool", "#!", 0755);
    write("root/bin/text", "x", 0644);
  }
  void TearDown() override { fs::remove_all(base_); }

  void write(const std::string& path, std::string_view content, mode_t mode) const {
    std::ofstream(base_ / path) << content;
    ::chmod((base_ / path).c_str(), mode);
  }
  RootDirectory root() const { return *RootDirectory::open(base_ / "root"); }
  std::string refusal(const std::string& name) const {
    const auto checked = root().check_executable(name, "/sbin:/bin", "/bin");
    return checked ? "" : checked.error().code;
  }

  fs::path base_;
};

TEST_F(RootDirectoryTest, ReadsFilesOfTheContainerOnly) {
  EXPECT_EQ(*root().read("/etc/passwd", 100), "inside");
  EXPECT_EQ(*root().read("/etc/none", 100), "");
  fs::create_symlink(base_ / "outside", base_ / "root/etc/group");
  EXPECT_EQ(*root().read("/etc/group", 100), "");  // the link's target is looked for inside
  fs::create_symlink("../../../outside", base_ / "root/etc/up");
  EXPECT_EQ(*root().read("/etc/up", 100), "");
  EXPECT_EQ(*root().read("/../outside", 100), "");
}

TEST_F(RootDirectoryTest, ReadsNoPipesAndNoHugeFiles) {
  ::mkfifo((base_ / "root/etc/pipe").c_str(), 0644);
  EXPECT_EQ(root().read("/etc/pipe", 100).error().message(), "/etc/pipe in the container is not a regular file");
  EXPECT_EQ(root().read("/etc/passwd", 5).error().message(), "/etc/passwd in the container has more than 5 bytes");
}

TEST_F(RootDirectoryTest, MakesDirectoriesInsideOnly) {
  fs::create_directory_symlink("/../../..", base_ / "root/srv");
  EXPECT_TRUE(root().make_directories("/srv/a/b/"));
  EXPECT_TRUE(fs::is_directory(base_ / "root/a/b"));
  EXPECT_FALSE(fs::exists(base_ / "a"));
  EXPECT_TRUE(root().make_directories("/"));
  EXPECT_FALSE(root().make_directories("/etc/passwd/x"));
}

TEST_F(RootDirectoryTest, TellsAMissingExecutableFromOneThatMayNotRun) {
  EXPECT_EQ(refusal("tool"), "");
  EXPECT_EQ(refusal("/bin/tool"), "");
  EXPECT_EQ(refusal("./tool"), "");
  EXPECT_EQ(refusal("none"), "executable_not_found");
  EXPECT_EQ(refusal("text"), "executable_not_permitted");
  EXPECT_EQ(refusal("/etc"), "executable_not_found");
  fs::create_symlink(base_ / "outside", base_ / "root/bin/escape");
  EXPECT_EQ(refusal("escape"), "executable_not_found");
  EXPECT_EQ(root().check_executable("none", "/sbin:/bin", "/").error().message,
            "the image has no executable \"none\", looked for in PATH /sbin:/bin; correct ENTRYPOINT or CMD");
}

}  // namespace
}  // namespace dormouse::agent
