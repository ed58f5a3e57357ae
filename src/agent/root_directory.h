// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "agent/refuse.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::agent {

// A container's root directory, seen from outside. No path leads out of it: links are followed as the container would
// follow them (openat2(2), RESOLVE_IN_ROOT).
class RootDirectory {
 public:
  static Result<RootDirectory> open(const std::string& path);

  // The contents of a regular file; empty if there is none. Devices, pipes and more than `bytes_max` are errors.
  Result<std::string> read(const std::string& path, std::size_t bytes_max) const;

  // Makes a directory and those above it, if missing.
  Status make_directories(const std::string& path) const;

  // Refused with code "executable_not_found" or "executable_not_permitted" when execve(2) of `name` could not work: the file
  // is looked for as the container's runtime does, in `path` ($PATH) or relative to `working_directory`.
  Answered<void> check_executable(const std::string& name,
                                  std::string_view path,
                                  const std::string& working_directory) const;

 private:
  explicit RootDirectory(UniqueFd directory) : directory_(std::move(directory)) {}
  Result<UniqueFd> open_in(const std::string& path, int flags) const;

  UniqueFd directory_;
};

}  // namespace dormouse::agent
