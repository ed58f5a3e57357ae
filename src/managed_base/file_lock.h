// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"

namespace dormouse::managed_base {

// An exclusive flock(2), held while the object lives; gone with the process, however that ends.
class [[nodiscard]] FileLock {
 public:
  // Waits for the lock at `path`, a file made when absent.
  static Result<FileLock> acquire(const std::filesystem::path& path, const os::Context& context);
  // kUnavailable at once when somebody else has it.
  static Result<FileLock> try_acquire(const std::filesystem::path& path);

 private:
  explicit FileLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace dormouse::managed_base
