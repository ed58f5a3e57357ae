// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::control {

inline constexpr std::size_t kBuildLogBytesMax = 4U << 20U;
inline constexpr std::size_t kBuildLogPieceBytesMax = 64U << 10U;

// The output of one build, in a file that readers follow while it grows. Bounded: what comes after kBuildLogBytesMax is
// left out, and a last line says so. A log that cannot be written does not stop a build.
//
// Used by one thread; readers open the file by themselves.
class BuildLog {
 public:
  explicit BuildLog(const std::filesystem::path& path);

  void write(std::string_view text);
  bool at_line_start() const { return at_line_start_; }

 private:
  const std::filesystem::path path_;
  UniqueFd file_;
  std::size_t written_ = 0;
  bool at_line_start_ = true;
};

// Bytes of the file from `offset` on, at most kBuildLogPieceBytesMax, cut between characters. Nothing where the file ends or
// is not there.
struct BuildLogPiece {
  std::string text;
  bool at_end = false;  // the file held no more
};
Result<BuildLogPiece> read_build_log(const std::filesystem::path& path, std::uint64_t offset);

}  // namespace dormouse::control
