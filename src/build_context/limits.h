// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>

namespace dormouse::build_context {

// What a build archive may hold at most.
struct Limits {
  std::uint64_t archive_bytes_max = 512ULL << 20U;  // the zip itself
  std::uint64_t total_bytes_max = 2ULL << 30U;      // of all files, unpacked
  std::uint64_t entry_bytes_max = 1ULL << 30U;      // of one file, unpacked
  std::uint64_t entries_max = 100'000;              // with the directories that paths imply
  std::uint64_t ratio_max = 200;                    // unpacked to packed, of the whole archive...
  std::uint64_t ratio_floor_bytes = 64ULL << 20U;   // ...judged above this many unpacked bytes only
  std::size_t path_bytes_max = 1024;                // of a path, and of a link's target
};

// Links that one link may lead through: what Linux allows (path_resolution(7)).
inline constexpr int kLinkHopsMax = 40;

}  // namespace dormouse::build_context
