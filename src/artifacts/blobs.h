// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::artifacts {

// A file that grows and is nobody's until publish() has returned. Destroyed before that, it is gone.
class BlobWriter {
 public:
  BlobWriter(UniqueFd file, std::string id, std::filesystem::path incoming, std::filesystem::path published);
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  const std::string& id() const { return id_; }
  std::uint64_t size() const { return size_; }

  Status write(std::span<const std::byte> bytes);  // kResourceExhausted when the disk is full
  Status publish();                                // durable, under its id

 private:
  // Constant after construction.
  const UniqueFd file_;
  const std::string id_;
  const std::filesystem::path incoming_;
  const std::filesystem::path published_path_;

  std::uint64_t size_ = 0;
  bool published_ = false;
};

// The bytes of objects and parts: immutable files named by random ids, so that no name of a client reaches the disk.
//
//     blobs/<id>     published by rename of a file that was synced
//     incoming/<id>  being written; emptied by open()
//
// Thread-safe; calls block on the disk.
class Blobs {
 public:
  static Result<Blobs> open(const std::filesystem::path& directory);

  Result<std::unique_ptr<BlobWriter>> create() const;
  Result<UniqueFd> read(const std::string& id) const;
  void remove(const std::string& id) const;  // readers that have it open keep it; one that fails is left to collect()

  // Removes every blob whose id is not in `referenced`.
  Status collect(const std::set<std::string>& referenced) const;

 private:
  explicit Blobs(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path directory_;
};

}  // namespace dormouse::artifacts
