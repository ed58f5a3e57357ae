// SPDX-License-Identifier: Apache-2.0

#include "build_context/build_context.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "build_context/zip_for_tests.h"
#include "os/command.h"
#include "os/file.h"

namespace dormouse::build_context {
namespace {
namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

os::Context minute() { return os::Context::with_timeout(std::chrono::minutes(1)); }

class ConvertArchive : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "build_context.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { ASSERT_TRUE(os::remove_tree(directory_)); }

  tl::expected<ContextSummary, ArchiveFailure> convert(std::string_view zip) {
    std::ofstream(directory_ / "context.zip", std::ios::binary) << zip;
    return convert_archive(directory_ / "context.zip", tar(), limits_, minute());
  }

  // The refusal's "CODE: sentence"; a refused archive must leave nothing behind.
  std::string refusal(std::string_view zip) {
    const auto summary = convert(zip);
    EXPECT_FALSE(fs::exists(tar()) && !summary) << "the tar archive was left behind";
    fs::remove(tar());
    return summary ? "accepted" : summary.error().code + ": " + summary.error().sentence;
  }

  // What GNU tar says of the result, a line an entry.
  std::vector<std::string> listing() {
    const os::Command command{
        {"/bin/tar", "--list", "--verbose", "--numeric-owner", "--full-time", "--file", tar().string()},
        {"TZ=UTC", "LC_ALL=C"}};
    const auto output = os::run_for_output(command, 1U << 20U, minute());
    EXPECT_TRUE(output) << output.error().message();
    std::vector<std::string> lines;
    std::string line;
    for (const char c : output.value_or("")) {
      if (c == '\n') {
        lines.push_back(std::exchange(line, ""));
      } else if (c != ' ' || line.empty() || line.back() != ' ') {
        line += c;
      }
    }
    return lines;
  }

  fs::path tar() const { return directory_ / "context.tar"; }

  fs::path directory_;
  Limits limits_;
};

TEST_F(ConvertArchive, GivesATarArchiveThatGnuTarReads) {
  ZipForTests zip;
  zip.file("Dockerfile", "FROM scratch\n").directory("src/").deflated("src/data", std::string(100'000, 'x'));
  zip.add({"src/run", "#!/bin/sh\n", 0104755}).link("latest", "src/run");
  const auto summary = convert(zip.bytes());
  ASSERT_TRUE(summary) << summary.error().sentence;
  EXPECT_EQ(summary->entries, 5U);
  EXPECT_EQ(summary->uncompressed_bytes, 13U + 100'000U + 10U);
  EXPECT_THAT(listing(),
              ElementsAre("-rw-r--r-- 0/0 13 2024-06-01 12:00:00 Dockerfile",
                          "drwxr-xr-x 0/0 0 2024-06-01 12:00:00 src/",
                          "-rw-r--r-- 0/0 100000 2024-06-01 12:00:00 src/data",
                          "-rwxr-xr-x 0/0 10 2024-06-01 12:00:00 src/run",
                          "lrwxrwxrwx 0/0 0 2024-06-01 12:00:00 latest -> src/run"));
}

TEST_F(ConvertArchive, KeepsContentAndLongAndUnusualNames) {
  const std::string long_name = std::string(90, 'd') + "/" + std::string(200, 'f');
  const std::string umlaut = "caf\xc3\xa9";
  const std::string latin1 = "caf\xe9";
  ZipForTests zip;
  zip.file("Dockerfile").file(long_name, "long").add({umlaut, "utf8", 0100644, 1U << 11U}).file(latin1, "latin1");
  ASSERT_EQ(refusal(zip.bytes()), "accepted");
  ASSERT_TRUE(convert(zip.bytes()));
  ASSERT_TRUE(os::make_directories(directory_ / "out"));
  const os::Command unpack{{"/bin/tar", "-C", (directory_ / "out").string(), "-xf", tar().string()}, {"LC_ALL=C"}};
  ASSERT_TRUE(os::run_for_output(unpack, 1000, minute()));
  EXPECT_EQ(os::read_file(directory_ / "out" / long_name).value_or("missing"), "long");
  EXPECT_EQ(os::read_file(directory_ / "out" / umlaut).value_or("missing"), "utf8");
  EXPECT_EQ(os::read_file(directory_ / "out" / latin1).value_or("missing"), "latin1");
}

TEST_F(ConvertArchive, EndsTheTarWithTwoZeroBlocksAtAMultipleOf4096) {
  for (std::size_t size = 0; size < 5000; size += 499) {
    ASSERT_EQ(refusal(ZipForTests().file("Dockerfile", std::string(size, 'x')).bytes()), "accepted");
    ASSERT_TRUE(convert(ZipForTests().file("Dockerfile", std::string(size, 'x')).bytes()));
    const std::string tar_bytes = os::read_file(tar()).value();
    EXPECT_EQ(tar_bytes.size() % 4096, 0U);
    EXPECT_EQ(tar_bytes.substr(tar_bytes.size() - 1024), std::string(1024, '\0'));
    fs::remove(tar());
  }
}

TEST_F(ConvertArchive, GivesUsablePermissionsToWhatHasNone) {
  ASSERT_TRUE(convert(ZipForTests().add({"Dockerfile", "", 0100000}).add({"d/", "", 040000}).bytes()));
  EXPECT_THAT(listing(), ElementsAre(StartsWith("-rw-r--r-- "), StartsWith("drwxr-xr-x ")));
}

TEST_F(ConvertArchive, TakesNamesThatBeginWithADot) {
  ASSERT_TRUE(convert(ZipForTests().directory("./").file("./Dockerfile").bytes()));
  EXPECT_THAT(listing(), ElementsAre(HasSubstr(" Dockerfile")));
}

TEST_F(ConvertArchive, WantsADockerfileAtTheRoot) {
  const std::string expected =
      "ARCHIVE_DOCKERFILE_NOT_FOUND: The archive has no regular file named \"Dockerfile\" at its root; 1 entries were "
      "read. "
      "Zip the content of the directory, not the directory itself.";
  EXPECT_EQ(refusal(ZipForTests().file("project/Dockerfile").bytes()), expected);
  EXPECT_EQ(refusal(ZipForTests().directory("Dockerfile/").bytes()), expected);
  EXPECT_EQ(refusal(ZipForTests().link("Dockerfile", "other").bytes()), expected);
  EXPECT_THAT(refusal(ZipForTests().directory("./").bytes()), HasSubstr("; 0 entries were read."));
}

TEST_F(ConvertArchive, RefusesWhatIsNoZip) {
  const std::string expected =
      "ARCHIVE_INVALID: The archive is not a zip file, or it is empty or truncated: it has no central directory.";
  EXPECT_EQ(refusal(""), expected);
  EXPECT_EQ(refusal(ZipForTests().bytes()), expected);
  EXPECT_EQ(refusal("FROM debian\n"), expected);
  EXPECT_EQ(refusal(std::string("\x1f\x8b\x08\0\0\0\0\0", 8)), expected);
  const std::string whole = ZipForTests().file("Dockerfile", std::string(1000, 'x')).bytes();
  EXPECT_EQ(refusal(std::string_view(whole).substr(0, whole.size() - 22)), expected);
  EXPECT_EQ(refusal(std::string_view(whole).substr(0, 500)), expected);
}

TEST_F(ConvertArchive, NeverAcceptsATruncatedZip) {
  const std::string whole = ZipForTests().file("a", "12345").deflated("Dockerfile", std::string(1000, 'x')).bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(std::string_view(whole).substr(0, size)), StartsWith("ARCHIVE_INVALID: ")) << size;
  }
}

TEST_F(ConvertArchive, RefusesAWrongChecksum) {
  EXPECT_THAT(refusal(ZipForTests().add({.name = "Dockerfile", .data = "x", .crc_xor = 1}).bytes()),
              StartsWith("ARCHIVE_INVALID: The archive is damaged or truncated in entry \"Dockerfile\": ZIP bad CRC"));
}

TEST_F(ConvertArchive, RefusesAWrongSize) {
  EXPECT_THAT(refusal(ZipForTests().add({.name = "Dockerfile", .data = "x", .size_added = 7}).bytes()),
              StartsWith("ARCHIVE_INVALID: "));
}

TEST_F(ConvertArchive, RefusesEncryptedEntries) {
  EXPECT_EQ(refusal(ZipForTests().add({.name = "Dockerfile", .data = std::string(20, 'x'), .flags = 1}).bytes()),
            "ARCHIVE_INVALID: Archive entry \"Dockerfile\" is encrypted; upload it without a password.");
}

TEST_F(ConvertArchive, RefusesUnusualCompression) {
  EXPECT_EQ(refusal(ZipForTests().add({.name = "Dockerfile", .data = "x", .method = 14}).bytes()),
            "ARCHIVE_INVALID: Archive entry \"Dockerfile\" is compressed by a method that is not supported "
            "(ZIP 2.0 (lzma)); use deflate.");
}

TEST_F(ConvertArchive, RefusesSpecialFiles) {
  EXPECT_EQ(refusal(ZipForTests().add({.name = "device", .data = "", .mode = 060644}).bytes()),
            "ARCHIVE_INVALID: Archive entry \"device\" is neither a regular file nor a directory nor a symbolic link "
            "(type 060000).");
  EXPECT_THAT(refusal(ZipForTests().add({.name = "s", .data = "", .mode = 0140644}).bytes()),
              HasSubstr("(type 0140000)"));
}

TEST_F(ConvertArchive, RefusesPathsThatLeadOutside) {
  for (const std::string name : {"/etc/passwd", "../x", "a/../../x", "a/b\\c", "..\\x", ""}) {
    EXPECT_THAT(refusal(ZipForTests().file("Dockerfile").file(name, "x").bytes()), StartsWith("ARCHIVE_INVALID: "))
        << name;
  }
  EXPECT_EQ(refusal(ZipForTests().file("Dockerfile").file("../x").bytes()),
            "ARCHIVE_INVALID: The path of archive entry \"../x\" has a '..' component.");
}

TEST_F(ConvertArchive, TakesBackslashesForSeparatorsWhereTheyStandAlone) {
  ASSERT_TRUE(convert(ZipForTests().file("Dockerfile").file("a\\b").bytes()));
  EXPECT_THAT(listing(), ElementsAre(HasSubstr(" Dockerfile"), HasSubstr(" a/b")));
}

TEST_F(ConvertArchive, EndsNamesAtNul) {
  ASSERT_TRUE(convert(ZipForTests().file(std::string("Dockerfile\0/../../x", 18)).bytes()));
  EXPECT_THAT(listing(), ElementsAre(HasSubstr(" Dockerfile")));
}

TEST_F(ConvertArchive, TakesPipesForRegularFilesAsInfoZipMeansThem) {
  ASSERT_TRUE(convert(ZipForTests().file("Dockerfile").add({"-", "piped", 010644}).bytes()));
  EXPECT_THAT(listing(), ElementsAre(HasSubstr(" Dockerfile"), StartsWith("-rw-r--r-- 0/0 5 ")));
}

TEST_F(ConvertArchive, RefusesLinksThatLeadOutside) {
  EXPECT_EQ(refusal(ZipForTests().file("Dockerfile").link("l", "../x").bytes()),
            "ARCHIVE_INVALID: Symbolic link \"l\" leads to \"../x\", outside the archive.");
  EXPECT_EQ(refusal(ZipForTests().file("Dockerfile").link("l", "/etc").file("l/passwd").bytes()),
            "ARCHIVE_INVALID: Symbolic link \"l\" leads to \"/etc\", an absolute path; links must be relative.");
}

TEST_F(ConvertArchive, HoldsEntriesToTheirNumber) {
  limits_.entries_max = 2;
  EXPECT_EQ(refusal(ZipForTests().file("Dockerfile").file("a").file("b").bytes()),
            "ARCHIVE_INVALID: The archive has more than 2 entries.");
  ZipForTests many;
  for (int i = 0; i < 9; ++i) {
    many.file(std::to_string(i));
  }
  EXPECT_EQ(
      refusal(many.bytes()),
      "ARCHIVE_INVALID: The archive has too many entries: more than 8 directory records, those of archives stored "
      "inside it included; the limit is 2 entries.");
}

TEST_F(ConvertArchive, HoldsSizesToTheirLimits) {
  const std::string zip = ZipForTests().file("Dockerfile", "12345").file("b", "123456").bytes();
  limits_.total_bytes_max = 10;
  EXPECT_EQ(
      refusal(zip),
      "ARCHIVE_INVALID: The archive is 11 bytes or more large unpacked, counted up to entry \"b\"; the limit is 10.");
  limits_.entry_bytes_max = 5;
  EXPECT_EQ(refusal(zip), "ARCHIVE_INVALID: Archive entry \"b\" is 6 bytes large unpacked; the limit is 5.");
  limits_.archive_bytes_max = zip.size() - 1;
  EXPECT_EQ(refusal(zip),
            "ARCHIVE_INVALID: The archive is " + std::to_string(zip.size()) + " bytes large; the limit is " +
                std::to_string(zip.size() - 1) + ".");
}

TEST_F(ConvertArchive, RefusesABombByItsRatio) {
  const std::string zip = ZipForTests().file("Dockerfile").deflated("bomb", std::string(1'000'000, '\0')).bytes();
  EXPECT_EQ(refusal(zip), "accepted");  // too small to be judged
  limits_.ratio_floor_bytes = 999'999;
  EXPECT_EQ(refusal(zip),
            "ARCHIVE_INVALID: The archive unpacks to 1000000 bytes or more from " + std::to_string(zip.size()) +
                ", counted up to entry \"bomb\"; the limit is 200 times its size.");
}

TEST_F(ConvertArchive, RefusesDataBeyondTheDeclaredSize) {
  const std::string data(100'000, '\0');
  ZipForTests::Entry entry{.name = "Dockerfile", .data = deflate_for_tests(data), .method = 8};
  entry.size_added = static_cast<std::uint32_t>(10 - static_cast<int>(entry.data.size()));
  EXPECT_THAT(
      refusal(ZipForTests().add(entry).bytes()),
      StartsWith("ARCHIVE_INVALID: The archive is damaged or truncated in entry \"Dockerfile\": ZIP uncompressed data "
                 "is wrong size"));
}

TEST_F(ConvertArchive, LeavesAFileAloneThatIsThereAlready) {
  std::ofstream(tar()) << "precious";
  const auto summary = convert(ZipForTests().file("Dockerfile").bytes());
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, "INTERNAL_PLATFORM_ERROR");
  EXPECT_EQ(summary.error().sentence, "The platform failed to store the unpacked archive.");
  EXPECT_EQ(summary.error().detail, "open " + tar().string() + ": File exists");
  EXPECT_EQ(os::read_file(tar()).value(), "precious");
}

TEST_F(ConvertArchive, SaysThatItCouldNotStoreTheTar) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const std::string zip = ZipForTests().file("Dockerfile").deflated("big", std::string(2'000'000, 'x')).bytes();
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1'000'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto summary = convert(zip);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, previous);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, "INTERNAL_PLATFORM_ERROR");
  EXPECT_EQ(summary.error().sentence, "The platform failed to store the unpacked archive.");
  EXPECT_EQ(summary.error().detail, "write the tar archive: File too large");
  EXPECT_FALSE(fs::exists(tar()));
}

TEST_F(ConvertArchive, EndsWithItsContext) {
  std::ofstream(directory_ / "context.zip") << ZipForTests().file("Dockerfile").bytes();
  const auto summary = convert_archive(
      directory_ / "context.zip", tar(), limits_, os::Context::with_timeout(std::chrono::milliseconds(0)));
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, "INTERNAL_PLATFORM_ERROR");
  EXPECT_EQ(summary.error().sentence, "The platform failed to read the archive in time.");
  EXPECT_FALSE(fs::exists(tar()));
}

TEST_F(ConvertArchive, SurvivesFlippedBits) {
  const std::string whole =
      ZipForTests().directory("d/").link("d/l", "../Dockerfile").deflated("Dockerfile", std::string(300, 'x')).bytes();
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1U << (random() % 8));
    const auto outcome = refusal(damaged);
    EXPECT_TRUE(outcome == "accepted" || outcome.starts_with("ARCHIVE_")) << outcome;
  }
}

}  // namespace
}  // namespace dormouse::build_context
