// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.h"

namespace dormouse::cli {

struct ArchiveSummary {
  std::size_t files = 0;
  std::uint64_t bytes = 0;  // before compression
};

// Packs a build context into the new zip file `target`: all files under `directory` by their relative paths, in the order of
// their names, without `.git`. kInvalidArgument when there is no Dockerfile at its root, and for what the service's
// archives cannot hold: symbolic links, sockets, devices.
Result<ArchiveSummary> zip_directory(const std::filesystem::path& directory, const std::filesystem::path& target);

}  // namespace dormouse::cli
