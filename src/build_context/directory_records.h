// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/error.h"
#include "os/context.h"

namespace dormouse::build_context {

// How often the signature of a record of a zip's central directory (APPNOTE.TXT 4.3.12) occurs in the file, up to
// `count_max` + 1: a bound on the entries that libarchive will hold in memory before it delivers the first. Archives that
// are stored inside are counted too, so the bound is not exact. Moves no file offset.
Result<std::uint64_t> count_directory_records(int file, std::uint64_t count_max, const os::Context& context);

}  // namespace dormouse::build_context
