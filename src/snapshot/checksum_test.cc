// SPDX-License-Identifier: Apache-2.0

#include "snapshot/checksum.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "os/file.h"

namespace dormouse::snapshot {
namespace {

constexpr std::size_t kMiB = 1U << 20U;

// A file of its own, gone with its descriptor.
UniqueFd temporary_file() {
  const std::string pattern = (std::filesystem::temp_directory_path() / "checksum_test.XXXXXX").string();
  std::vector<char> name(pattern.c_str(), pattern.c_str() + pattern.size() + 1);
  UniqueFd file(::mkostemp(name.data(), O_CLOEXEC));
  EXPECT_TRUE(file);
  ::unlink(name.data());
  return file;
}

void put(const UniqueFd& file, std::string_view bytes, std::size_t at) {
  EXPECT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)),
            static_cast<ssize_t>(bytes.size()));
}

UniqueFd file_of(std::string_view bytes) {
  UniqueFd file = temporary_file();
  put(file, bytes, 0);
  return file;
}

TEST(ChecksumTest, HolesAreWhatZerosAre) {
  UniqueFd sparse = temporary_file();
  ASSERT_EQ(::ftruncate(sparse.get(), 8 * kMiB), 0);
  put(sparse, "content", 5 * kMiB + 3);
  std::string bytes(8 * kMiB, '\0');
  bytes.replace(5 * kMiB + 3, 7, "content");
  EXPECT_EQ(*checksum_of(sparse), *checksum_of(file_of(bytes)));
}

TEST(ChecksumTest, AnyOtherByteIsNoticed) {
  std::string bytes(3 * kMiB + 100, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 2 * kMiB) {
    bytes[i] = 'x';
  }
  const std::uint64_t known = *checksum_of(file_of(bytes));
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, kMiB, 2 * kMiB, bytes.size() - 1}) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_NE(*checksum_of(file_of(other)), known) << at;
  }
}

TEST(ChecksumTest, ContentThatMovedIsNoticed) {
  std::string first(kMiB, '\0');
  std::string second(kMiB, '\0');
  first[0] = 'x';
  second[512U << 10U] = 'x';
  EXPECT_NE(*checksum_of(file_of(first)), *checksum_of(file_of(second)));
}

TEST(ChecksumTest, SizeCountsAlsoWhereAllIsZero) {
  EXPECT_NE(*checksum_of(file_of(std::string(100, '\0'))), *checksum_of(file_of(std::string(101, '\0'))));
  EXPECT_NE(*checksum_of(file_of("")), *checksum_of(file_of(std::string(1, '\0'))));
}

TEST(ChecksumTest, AFileThatDoesNotVerifyIsNamed) {
  const UniqueFd file = file_of("what was written");
  const std::uint64_t checksum = *checksum_of(file);
  EXPECT_TRUE(verify(file, checksum, "the disk"));
  put(file, "?", 3);
  const Status status = verify(file, checksum, "the disk");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind(), ErrorKind::kDataLoss);
  EXPECT_EQ(status.error().message(), "the disk does not verify: it is not what was written");
}

}  // namespace
}  // namespace dormouse::snapshot
