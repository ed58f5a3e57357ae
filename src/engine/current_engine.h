// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "vmm/machine.h"

namespace dormouse::engine {

// A file as it was: what tells cheaply that it is another one now. All 0: there was none.
struct FileState {
  std::filesystem::path path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns =
      0;  // of the inode: a change in place is seen even when the time of modification was set back

  bool operator==(const FileState&) const = default;
};
FileState state_of(const std::filesystem::path& path);

// DIR/engines/current.json: the engine that new guests get, and what it was made from.
struct CurrentEngine {
  static constexpr int kFormat = 1;
  static constexpr char kFile[] = "current.json";
  std::string digest;
  std::string program;  // SystemQemu::program
  vmm::Acceleration acceleration = vmm::Acceleration::kTcg;
  std::vector<FileState> sources;
};

std::string encode(const CurrentEngine& current);
Result<CurrentEngine> read_current(const std::filesystem::path& engines);
// Whether the system has the same files as when the engine was made.
bool is_up_to_date(const CurrentEngine& current);

}  // namespace dormouse::engine
