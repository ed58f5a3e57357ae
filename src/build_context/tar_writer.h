// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "build_context/zip_reader.h"

struct archive;

namespace dormouse::build_context {

// Writes a tar archive in GNU format to a file. Everything belongs to 0:0. Destroyed before finish(), it leaves the file as
// it is.
class TarWriter {
 public:
  // Borrows `file`, which is empty.
  static Result<TarWriter> open(int file);
  ~TarWriter();
  TarWriter(TarWriter&&) = default;
  TarWriter& operator=(TarWriter&&) = delete;

  // Begins an entry at `path`; of a regular file, exactly entry.size_bytes bytes of data must follow.
  Status begin(const std::string& path, const ZipEntry& entry);
  Status write(std::span<const std::byte> data);

  // Writes the end and pads the file with zeros to a multiple of `alignment_bytes`.
  Status finish(std::uint64_t alignment_bytes);

 private:
  // Where libarchive's blocks go. libarchive (3.6) leaks its buffers when writing fails, so it never hears of that: what
  // failed is kept here, and later blocks are dropped.
  struct Sink {
    int file;
    Status status;
    bool dropping = false;
  };
  struct Free {
    void operator()(archive* writer) const;
  };

  TarWriter(std::unique_ptr<Sink> sink, std::unique_ptr<archive, Free> writer)
      : sink_(std::move(sink)), writer_(std::move(writer)) {}
  static ssize_t write_block(archive* writer, void* sink, const void* block, std::size_t size);
  tl::unexpected<Error> failure() const;
  Status outcome_of(bool done) const;  // of a call of libarchive

  std::unique_ptr<Sink> sink_;
  std::unique_ptr<archive, Free> writer_;
};

}  // namespace dormouse::build_context
