// SPDX-License-Identifier: Apache-2.0

#include "host/known_checksums.h"

#include <fcntl.h>

#include "os/file.h"
#include "snapshot/checksum.h"

namespace dormouse::host {

Result<std::uint64_t> KnownChecksums::of(const std::filesystem::path& file) {
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(file.string()); known != known_.end()) {
    return known->second;
  }
  DM_ASSIGN(const UniqueFd opened, os::open_file(file, O_RDONLY), "");
  DM_ASSIGN(const std::uint64_t checksum, snapshot::checksum_of(opened), file.string());
  known_.emplace(file.string(), checksum);
  return checksum;
}

}  // namespace dormouse::host
