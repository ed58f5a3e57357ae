// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "build_context/zip_reader.h"

struct archive;

namespace dormouse::build_context {

// Writes a tar archive in GNU format to a file. Everything belongs to 0:0.
class TarWriter {
 public:
  // Borrows `file`, which is empty.
  static Result<TarWriter> open(int file);

  // Begins an entry at `path`; of a regular file, exactly entry.size_bytes bytes of data must follow.
  Status begin(const std::string& path, const ZipEntry& entry);
  Status write(std::span<const std::byte> data);

  // Writes the end and pads the file with zeros to a multiple of `alignment_bytes`.
  Status finish(std::uint64_t alignment_bytes);

 private:
  struct Free {
    void operator()(archive* writer) const;
  };

  TarWriter(int file, std::unique_ptr<archive, Free> writer) : file_(file), writer_(std::move(writer)) {}
  tl::unexpected<Error> failure() const;

  int file_;
  std::unique_ptr<archive, Free> writer_;
};

}  // namespace dormouse::build_context
