// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "build_context/archive_failure.h"
#include "build_context/archive_tree.h"

struct archive;
struct archive_entry;

namespace dormouse::build_context {

// One entry as the zip describes it: nothing in it was checked.
struct ZipEntry {
  std::string name;
  EntryKind kind = EntryKind::kRegularFile;
  std::uint32_t permissions = 0;  // 0777 at most
  std::time_t modified = 0;
  std::uint64_t size_bytes = 0;  // of a regular file, unpacked
  std::string link_target;
};

// Reads a zip entry by entry in the order of its content, by its central directory. Zip and nothing else: libarchive's
// other formats and filters are not registered. Refuses what has no business in a build context: encryption, methods other
// than "stored" and "deflated" (whose decoders need a fixed, small amount of memory), devices, FIFOs, sockets, hard links.
class ZipReader {
 public:
  // Borrows `file`.
  static ArchiveResult<ZipReader> open(int file);

  // The next entry, or nothing after the last.
  ArchiveResult<std::optional<ZipEntry>> next();

  // The next piece of the entry's data, valid until the next call; empty at the end, when checksum and sizes were right.
  ArchiveResult<std::span<const std::byte>> read_piece();

 private:
  struct Free {
    void operator()(archive* reader) const;
  };

  explicit ZipReader(std::unique_ptr<archive, Free> reader) : reader_(std::move(reader)) {}
  ArchiveResult<ZipEntry> describe(archive_entry* raw);
  tl::unexpected<ArchiveFailure> corrupt(const std::string& where) const;

  std::unique_ptr<archive, Free> reader_;
  std::string name_;  // of the current entry
};

}  // namespace dormouse::build_context
