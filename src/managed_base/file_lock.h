// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"

namespace dormouse::managed_base {

// A flock(2), held while the object lives; gone with the process, however that ends.
class [[nodiscard]] FileLock {
 public:
  // Alone. Waits for the lock at `path`, a file made when absent.
  static Result<FileLock> acquire(const std::filesystem::path& path, const os::Context& context);
  // kUnavailable at once when somebody else has it.
  static Result<FileLock> try_acquire(const std::filesystem::path& path);

  // The same of a file that must be there and is only read: with others who share it, and alone.
  static Result<FileLock> share(const std::filesystem::path& path, const os::Context& context);
  static Result<FileLock> try_acquire_existing(const std::filesystem::path& path);

  // Whether the file that is locked is the one at `path` now: another may have got its name meanwhile, or none.
  bool is_of(const std::filesystem::path& path) const;

 private:
  explicit FileLock(UniqueFd file) : file_(std::move(file)) {}
  static Result<FileLock> attempt(const std::filesystem::path& path, int flags, int operation);
  static Result<FileLock> wait(const std::filesystem::path& path, int flags, int operation, const os::Context& context);
  UniqueFd file_;
};

}  // namespace dormouse::managed_base
