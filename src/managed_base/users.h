// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "managed_base/file_lock.h"
#include "os/context.h"

namespace dormouse::managed_base {

// The data directories whose daemons use a cache. Each has a file in CACHE/users/ that holds its path and is named by the SHA-256 of
// that; a daemon has it locked, shared, while it runs.
class Users {
 public:
  explicit Users(const std::filesystem::path& cache_directory) : directory_(cache_directory / "users") {}

  // Held while one is added, and from before all are asked what they need until what none needs is removed.
  Result<FileLock> lock(const os::Context& context) const;

  // Durable. The answer is the daemon's, to be kept while it runs.
  Result<FileLock> add(const std::filesystem::path& data_directory, const os::Context& context) const;

  // The data directories that are there. An error when it cannot be known which: then some may need anything.
  Result<std::vector<std::filesystem::path>> present() const;

  // Forgets those that are not there any more. To be called by who holds the lock.
  Status drop_gone() const;

 private:
  struct User {
    std::filesystem::path registration;
    std::filesystem::path data_directory;
    bool present = true;
  };
  Result<std::vector<User>> all() const;

  const std::filesystem::path directory_;
};

}  // namespace dormouse::managed_base
