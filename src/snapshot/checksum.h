// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::snapshot {

// XXH3-64 of what a regular file holds, however its file system lays it out: of the numbers (u64, little endian) and contents of
// its blocks of 64 KiB that are not all zero, in order, and of its size. So a copy with other holes has the same checksum, and
// holes cost nothing to verify. The file's offset is moved.
Result<std::uint64_t> checksum_of(const UniqueFd& file);

// kDataLoss, naming `what`, when the file does not have this checksum.
Status verify(const UniqueFd& file, std::uint64_t checksum, const char* what);

}  // namespace dormouse::snapshot
