// SPDX-License-Identifier: Apache-2.0

#include "managed_base/kernel_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::managed_base {
namespace {

constexpr std::pair kOldest{5, 18};
constexpr std::size_t kVersionBytesMax = 256;

// Up to `size` bytes from `offset`; fewer where the file ends.
Result<std::string> read_at(const UniqueFd& file, off_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  const ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), offset);
  if (count < 0) {
    return fail_errno("read");
  }
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

}  // namespace

Status check_kernel_version(std::string_view version) {
  std::pair found{0, 0};
  const char* const end = version.data() + version.size();
  const auto major = std::from_chars(version.data(), end, found.first);
  const bool has_minor = major.ec == std::errc() && major.ptr != end && *major.ptr == '.' &&
                         std::from_chars(major.ptr + 1, end, found.second).ec == std::errc();
  if (!has_minor) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("does not say which version it is, and {}.{} is the oldest that guests can have",
                            kOldest.first,
                            kOldest.second));
  }
  if (found < kOldest) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format(
            "is Linux {}, and {}.{} is the oldest that guests can have: give a newer one, or leave --kernel out "
            "for Debian's",
            version.substr(0, version.find(' ')),
            kOldest.first,
            kOldest.second));
  }
  return {};
}

#if defined(__x86_64__)

// Kernel documentation, x86/boot: "HdrS" at 0x202; at 0x20e, less 0x200, where the version is, which ends with a NUL.
Status check_kernel(const std::filesystem::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "");
  DM_ASSIGN(const std::string header, read_at(file, 0x202, 14), "");
  if (header.size() != 14 || !header.starts_with("HdrS")) {
    return fail(ErrorKind::kInvalidArgument, "is no bootable kernel image; give the file that /boot holds (vmlinuz-*)");
  }
  const auto low = static_cast<unsigned char>(header[12]);
  const auto high = static_cast<unsigned char>(header[13]);
  const int version_at = low + 256 * high;
  std::string version;
  if (version_at != 0) {
    DM_ASSIGN(version, read_at(file, version_at + 0x200, kVersionBytesMax), "");
    version.resize(std::min(version.size(), version.find('\0')));
  }
  return check_kernel_version(version);
}

#else

// Kernel documentation, arch/arm64/booting: "ARM\x64" at 56.
Status check_kernel(const std::filesystem::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "");
  DM_ASSIGN(const std::string magic, read_at(file, 56, 4), "");
  if (magic != "ARM\x64") {
    return fail(ErrorKind::kInvalidArgument, "is no bootable kernel image; give the file that /boot holds (vmlinuz-*)");
  }
  return {};
}

#endif

}  // namespace dormouse::managed_base
