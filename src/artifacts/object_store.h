// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "artifacts/blobs.h"
#include "artifacts/checksum.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::store {
class SqliteConnection;
}

namespace dormouse::artifacts {

inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr int kPartNumberMax = 10'000;
inline constexpr std::uint64_t kObjectBytesMax = 5ULL << 40U;  // whole objects
inline constexpr std::uint64_t kPutBytesMax = 5ULL << 30U;     // of one PutObject or UploadPart

struct Bucket {
  std::string name;
  WallTime created;
};

struct StoredChecksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::kCrc32;
  std::string value;        // base64; of a composite one with "-<parts>"
  bool full_object = true;  // else composite: the checksum of the parts' checksums
};

struct Object {
  std::string key;
  std::uint64_t size = 0;  // bytes
  std::string etag;        // without quotes: MD5, or MD5 of the parts' MD5s with "-<parts>"
  WallTime modified;
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Type, x-amz-meta-*, ...: given back as they came
  std::optional<StoredChecksum> checksum;
};

struct ObjectName {
  std::string account;
  std::string bucket;
  std::string key;
};

// What must hold of the present object for a put to happen.
struct PutCondition {
  bool absent = false;              // If-None-Match: *
  std::optional<std::string> etag;  // If-Match
};

struct Upload {
  std::string id;
  std::string key;
  WallTime started;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<ChecksumAlgorithm> checksum_algorithm;
  bool checksum_full_object = false;
};

struct Part {
  int number = 0;
  std::uint64_t size = 0;
  std::string etag;
  WallTime modified;
  std::optional<StoredChecksum> checksum;
};

// Buckets, objects and unfinished uploads of every account, under one directory: blobs (see Blobs) and index.sqlite, which
// alone makes a blob an object.
//
// Invariants, at every instant, also after kill -9 and a power cut: an object in the index has its whole blob on disk; a put
// is visible whole or not at all; what one account names, no other can see. A crash leaves blobs without a row at most;
// open() removes them, and uploads older than kUploadAgeMax.
//
// Thread-safe; calls block on the disk. Errors: kNotFound with a message that begins "NoSuchBucket", "NoSuchKey" or
// "NoSuchUpload"; kConflict where said; kResourceExhausted for a full disk.
class ObjectStore {
 public:
  static constexpr std::chrono::hours kUploadAgeMax{24 * 7};

  static Result<std::unique_ptr<ObjectStore>> open(const std::filesystem::path& directory, const Clock& clock);
  ~ObjectStore();
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  Status create_bucket(const std::string& account, const std::string& bucket);  // kConflict: there is one
  Status remove_bucket(const std::string& account, const std::string& bucket);  // kConflict: it is not empty
  Result<std::vector<Bucket>> list_buckets(const std::string& account) const;
  // Of every account, what the objects of each bucket take together; buckets without objects are left out.
  struct BucketUse {
    std::string account;
    std::string bucket;
    std::uint64_t bytes = 0;
    std::size_t objects = 0;
  };
  Result<std::vector<BucketUse>> bucket_use() const;
  Result<Bucket> bucket(const std::string& account, const std::string& bucket) const;

  Result<std::unique_ptr<BlobWriter>> new_blob() const { return blobs_.create(); }

  // Publishes `blob` as `name`; `object` gives etag, headers and checksum. Answers it with key, size and time set.
  // kConflict when `condition` does not hold.
  Result<Object> put(const ObjectName& name, Object object, BlobWriter& blob, const PutCondition& condition);
  Result<Object> find(const ObjectName& name) const;
  struct Opened {
    Object object;
    UniqueFd file;
  };
  Result<Opened> read(const ObjectName& name) const;
  Status remove(const ObjectName& name);  // succeeds if there is none

  // Objects with `from` <= key < `until`, in the order of their bytes, at most `limit`.
  Result<std::vector<Object>> range(const std::string& account,
                                    const std::string& bucket,
                                    const std::string& from,
                                    const std::string& until,
                                    std::size_t limit) const;

  // Answers the upload's id. upload: headers and checksum settings.
  Result<std::string> begin_upload(const ObjectName& name, const Upload& upload);
  Result<Upload> upload(const ObjectName& name, const std::string& id) const;
  // Uploads with key > `after_key`, or the same key and id > `after_id`, in that order.
  Result<std::vector<Upload>> list_uploads(const std::string& account,
                                           const std::string& bucket,
                                           const std::string& after_key,
                                           const std::string& after_id,
                                           std::size_t limit) const;
  Result<Part> put_part(const ObjectName& name, const std::string& id, Part part, BlobWriter& blob);
  // Parts with a number greater than `after`.
  Result<std::vector<Part>> list_parts(const ObjectName& name,
                                       const std::string& id,
                                       int after,
                                       std::size_t limit) const;
  // Copies the named parts, in this order, to `blob`.
  Status concatenate(const ObjectName& name,
                     const std::string& id,
                     const std::vector<int>& numbers,
                     BlobWriter& blob,
                     Checksum* checksum) const;
  // put() of the concatenated parts, and the end of the upload, in one step.
  Result<Object> complete_upload(
      const ObjectName& name, const std::string& id, Object object, BlobWriter& blob, const PutCondition& condition);
  Status abort_upload(const ObjectName& name, const std::string& id);

 private:
  ObjectStore(Blobs blobs, std::unique_ptr<store::SqliteConnection> index, const Clock& clock);

  // All of these with mutex_ held.
  Status collect_garbage();
  Status require_bucket(const std::string& account, const std::string& bucket) const;
  Result<std::pair<Object, std::string>> find_row(const ObjectName& name) const;  // and its blob
  // Inserts or replaces the row; answers the blob that was replaced, or "".
  Result<std::string> put_row(const ObjectName& name,
                              const Object& object,
                              const std::string& blob,
                              const PutCondition& condition);
  Result<Upload> find_upload(const ObjectName& name, const std::string& id) const;
  Result<std::vector<std::string>> remove_upload_rows(const std::string& id);  // their blobs

  const Blobs blobs_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  const std::unique_ptr<store::SqliteConnection> index_;  // guarded by mutex_
};

}  // namespace dormouse::artifacts
