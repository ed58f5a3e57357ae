// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>

#include <tl/expected.hpp>

#include "build_context/archive_failure.h"
#include "build_context/limits.h"
#include "os/context.h"

namespace dormouse::build_context {

struct ContextSummary {
  std::uint64_t entries = 0;             // of the zip; the root itself ("./") does not count
  std::uint64_t uncompressed_bytes = 0;  // of all regular files
};

// Checks the zip that a user uploaded and writes its content to the new file `tar_target` as a tar archive, in GNU format,
// uncompressed, in the order of the zip. GNU tar can unpack it from a raw disk: it ends with two zero blocks and its
// size is a multiple of kTarAlignmentBytes.
//
// Everything in the zip is hostile. What the tar archive holds is regular files, directories and symbolic links; paths are
// relative, without "." or ".." components, and no entry lies below a link; links stay inside the archive when resolved;
// owner is 0:0, permission bits are kept without setuid, setgid and sticky (none at all means unknown: 0644, 0755), and so
// is the time of modification. `Dockerfile` at the root is a regular file. A file that occurs twice is written twice: the
// last wins.
//
// Names are bytes, as libarchive delivers them: ended at a NUL; in normalization form C where marked as UTF-8; with '/' for
// backslashes where a name has backslashes alone, as Windows programs make them (other backslashes are refused). A FIFO is
// a regular file: so Info-ZIP marks what it read from a pipe.
//
// Streams: memory is bounded by `limits` (paths), never by a file's size. Blocks, until `context` ends at the latest. On
// failure `tar_target` does not exist, unless it existed before.
tl::expected<ContextSummary, ArchiveFailure> convert_archive(const std::filesystem::path& zip,
                                                             const std::filesystem::path& tar_target,
                                                             const Limits& limits,
                                                             const os::Context& context);

inline constexpr std::uint64_t kTarAlignmentBytes = 4096;

}  // namespace dormouse::build_context
