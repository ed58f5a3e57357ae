// SPDX-License-Identifier: Apache-2.0

#include "build_context/archive_tree.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "build_context/entry_path.h"

namespace dormouse::build_context {
namespace {

os::Context minute() { return os::Context::with_timeout(std::chrono::minutes(1)); }

// The sentence of the refusal, or "".
template <typename T>
std::string sentence(const ArchiveResult<T>& result) {
  return result ? "" : result.error().sentence;
}

struct Link {
  std::string path;
  std::string target;
};

std::string check(std::initializer_list<Link> links) {
  ArchiveTree tree{Limits{}};
  for (const Link& link : links) {
    if (const auto added = tree.add(link.path, EntryKind::kSymbolicLink, link.target); !added) {
      return added.error().sentence;
    }
  }
  return sentence(tree.check_links(minute()));
}

TEST(NormalizedPath, DropsEmptyAndDotComponents) {
  EXPECT_EQ(normalized_path("./a//b/./c/", Limits{}).value(), "a/b/c");
  EXPECT_EQ(normalized_path("./", Limits{}).value(), "");
  EXPECT_EQ(normalized_path("..a/b..", Limits{}).value(), "..a/b..");
}

TEST(NormalizedPath, RefusesWhatCouldLeadOutsideAndSaysWhy) {
  const Limits limits;
  EXPECT_EQ(sentence(normalized_path("", limits)), "The archive has an entry with an empty path.");
  EXPECT_EQ(sentence(normalized_path("/etc/passwd", limits)),
            "The path of archive entry \"/etc/passwd\" is absolute; paths must be relative.");
  EXPECT_EQ(sentence(normalized_path("a/../b", limits)), "The path of archive entry \"a/../b\" has a '..' component.");
  EXPECT_EQ(sentence(normalized_path("..", limits)), "The path of archive entry \"..\" has a '..' component.");
  EXPECT_EQ(sentence(normalized_path("a\\b", limits)),
            "The path of archive entry \"a\\\\b\" has a backslash; separate directories by '/'.");
  EXPECT_EQ(sentence(normalized_path(std::string("a\0b", 3), limits)),
            "The path of archive entry \"a\\x00b\" has a NUL byte.");
}

TEST(NormalizedPath, HoldsPathsToTheirLimit) {
  EXPECT_TRUE(normalized_path(std::string(1024, 'x'), Limits{}));
  EXPECT_EQ(sentence(normalized_path(std::string(1025, 'x'), Limits{})),
            "The path of archive entry \"" + std::string(200, 'x') + "...\" is 1025 bytes long; the limit is 1024.");
}

TEST(Quoted, MakesHostileNamesPrintable) { EXPECT_EQ(quoted_name("a\"\n\x1b[2J\xff"), R"("a\"\x0a\x1b[2J\xff")"); }

TEST(ArchiveTree, LinksInsideTheArchiveAreFine) {
  EXPECT_EQ(check({{"a/link", "../b"}, {"c", "."}, {"d", "a/./link/../x"}, {"dangling", "nowhere/at/all"}}), "");
}

TEST(ArchiveTree, LinksOutOfTheArchiveAreRefused) {
  EXPECT_EQ(check({{"link", "/etc/passwd"}}),
            "Symbolic link \"link\" leads to \"/etc/passwd\", an absolute path; links must be relative.");
  EXPECT_EQ(check({{"link", ".."}}), "Symbolic link \"link\" leads to \"..\", outside the archive.");
  EXPECT_EQ(check({{"a/link", "../../x"}}), "Symbolic link \"a/link\" leads to \"../../x\", outside the archive.");
  EXPECT_EQ(check({{"a/link", "x/../../../a"}}),
            "Symbolic link \"a/link\" leads to \"x/../../../a\", outside the archive.");
}

TEST(ArchiveTree, LinksThatLeadOutsideOnlyThroughOtherLinksAreRefused) {
  // By its text `sly` stays inside: deep/a/x. Followed, `up` is the root first.
  EXPECT_EQ(check({{"deep/a/up", "../.."}, {"sly", "deep/a/up/../x"}}),
            "Symbolic link \"sly\" leads to \"deep/a/up/../x\", outside the archive.");
}

TEST(ArchiveTree, LinksMayLeaveByTextIfTheyStayInsideWhenFollowed) {
  // By its text it is ../x; followed, down/.. is deep.
  EXPECT_EQ(check({{"down", "deep/a"}, {"link", "down/../x"}}), "");
}

TEST(ArchiveTree, CirclesOfLinksAreRefused) {
  EXPECT_EQ(check({{"self", "self"}}), "Symbolic link \"self\" leads through more than 40 links.");
}

TEST(ArchiveTree, EmptyAndLongTargetsAreRefused) {
  EXPECT_EQ(check({{"link", ""}}), "The target of symbolic link \"link\" is 0 bytes long; it must have 1 to 1024.");
  EXPECT_EQ(check({{"link", std::string(1025, 'x')}}),
            "The target of symbolic link \"link\" is 1025 bytes long; it must have 1 to 1024.");
}

TEST(ArchiveTree, NothingLiesBelowAFileOrALink) {
  ArchiveTree tree{Limits{}};
  ASSERT_TRUE(tree.add("file", EntryKind::kRegularFile));
  ASSERT_TRUE(tree.add("link", EntryKind::kSymbolicLink, "x"));
  EXPECT_EQ(sentence(tree.add("file/below", EntryKind::kRegularFile)),
            "Archive entry \"file/below\" lies below \"file\", which is a regular file.");
  EXPECT_EQ(sentence(tree.add("link/a/b", EntryKind::kRegularFile)),
            "Archive entry \"link/a/b\" lies below \"link\", which is a symbolic link.");
}

TEST(ArchiveTree, APathHasOneKind) {
  ArchiveTree tree{Limits{}};
  ASSERT_TRUE(tree.add("a/b", EntryKind::kRegularFile));
  EXPECT_TRUE(tree.add("a/b", EntryKind::kRegularFile));
  EXPECT_TRUE(tree.add("a", EntryKind::kDirectory));
  EXPECT_EQ(sentence(tree.add("a", EntryKind::kSymbolicLink, "x")),
            "Archive entry \"a\" occurs as a directory and as a symbolic link.");
}

TEST(ArchiveTree, DirectoriesThatPathsImplyCount) {
  Limits limits;
  limits.entries_max = 3;
  ArchiveTree tree(limits);
  EXPECT_TRUE(tree.add("a/b/c", EntryKind::kRegularFile));
  EXPECT_EQ(sentence(tree.add("d", EntryKind::kRegularFile)),
            "The archive has more than 3 entries, directories included.");
}

TEST(ArchiveTree, CheckingLinksEndsWithItsContext) {
  ArchiveTree tree{Limits{}};
  ASSERT_TRUE(tree.add("link", EntryKind::kSymbolicLink, "x"));
  const auto checked = tree.check_links(os::Context::with_timeout(std::chrono::milliseconds(0)));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, "INTERNAL_PLATFORM_ERROR");
  EXPECT_EQ(checked.error().sentence, "The platform failed to check the archive's symbolic links in time.");
}

}  // namespace
}  // namespace dormouse::build_context
