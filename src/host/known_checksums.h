// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "base/error.h"

namespace dormouse::host {

// Checksums (snapshot::checksum_of) of files that never change, each computed once for as long as this lives. Thread-safe; who asks
// for one while another is computed waits.
class KnownChecksums {
 public:
  Result<std::uint64_t> of(const std::filesystem::path& file);

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> known_;  // guarded by mutex_
};

}  // namespace dormouse::host
