// SPDX-License-Identifier: Apache-2.0

#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;

// Names and contents of what a zip holds.
std::map<std::string, std::string> contents_of(const fs::path& path) {
  std::map<std::string, std::string> found;
  struct archive* const archive = archive_read_new();
  archive_read_support_format_zip(archive);
  EXPECT_EQ(archive_read_open_filename(archive, path.c_str(), 65536), ARCHIVE_OK);
  struct archive_entry* entry = nullptr;
  while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
    std::string text(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    EXPECT_EQ(archive_read_data(archive, text.data(), text.size()), static_cast<la_ssize_t>(text.size()));
    found[archive_entry_pathname(entry)] = text;
  }
  archive_read_free(archive);
  return found;
}

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "archive-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    scratch_ = name;
    fs::create_directory(scratch_ / "context");
  }
  void TearDown() override { fs::remove_all(scratch_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((scratch_ / "context" / name).parent_path());
    std::ofstream(scratch_ / "context" / name) << text;
  }
  Result<ArchiveSummary> zip() const { return zip_directory(scratch_ / "context", scratch_ / "out.zip"); }

  fs::path scratch_;
};

TEST_F(ArchiveTest, FilesKeepTheirPathsAndContents) {
  write("Dockerfile", "FROM x\n");
  write("app/main.py", std::string(700'000, 'a'));
  const auto summary = zip();
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_EQ(summary->files, 2U);
  EXPECT_EQ(summary->bytes, 700'007U);
  const auto contents = contents_of(scratch_ / "out.zip");
  EXPECT_EQ(contents.at("Dockerfile"), "FROM x\n");
  EXPECT_EQ(contents.at("app/main.py").size(), 700'000U);
}

TEST_F(ArchiveTest, HistoryOfTheRepositoryStaysOut) {
  write("Dockerfile", "");
  write(".git/config", "secret");
  write("app/.git", "kept: only the root's is left out");
  ASSERT_TRUE(zip());
  const auto contents = contents_of(scratch_ / "out.zip");
  EXPECT_EQ(contents.count(".git/config"), 0U);
  EXPECT_EQ(contents.count("app/.git"), 1U);
}

TEST_F(ArchiveTest, DirectoryWithoutADockerfileIsRefused) {
  const auto summary = zip();
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_THAT(summary.error().message(), testing::EndsWith("has no Dockerfile; a build context has one at its root"));
}

TEST_F(ArchiveTest, SymbolicLinkIsRefusedByName) {
  write("Dockerfile", "");
  fs::create_symlink("/etc/passwd", scratch_ / "context" / "link");
  const auto summary = zip();
  ASSERT_FALSE(summary);
  EXPECT_THAT(summary.error().message(), testing::HasSubstr("context/link is a symbolic link"));
}

}  // namespace
}  // namespace dormouse::cli
