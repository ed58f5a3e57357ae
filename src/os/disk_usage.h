// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "os/context.h"

namespace dormouse::os {

// Counts what files take on their disk: the blocks that are allocated to them, so holes cost nothing and a directory its own
// blocks. A file with several names counts once, for whoever comes first. Extents that several files share (FICLONE) count
// for each of them: what goes when one is removed is less then. Links are not followed, other file systems not entered.
//
// What goes while it is counted is not an error: the answer is that of a moment somewhere between begin and end. Not
// thread-safe.
class DiskUsage {
 public:
  static constexpr std::size_t kFilesMax = 1'000'000;  // in all; more is kResourceExhausted

  // Called with the path below what was asked for and its bytes, of files and directories.
  using Visitor = std::function<void(const std::filesystem::path& path, std::uint64_t bytes)>;

  // Of a file or a tree; 0 of what is not there. Ends with the context.
  Result<std::uint64_t> of(const std::filesystem::path& path, const Context& context, const Visitor& visit = {});

 private:
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen_;  // device and inode, of files with several names
  std::size_t files_ = 0;
};

}  // namespace dormouse::os
