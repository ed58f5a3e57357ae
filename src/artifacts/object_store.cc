// SPDX-License-Identifier: Apache-2.0

#include "artifacts/object_store.h"

#include <set>
#include <utility>

#include <fmt/core.h>

#include "artifacts/index.h"
#include "base/scope_exit.h"

namespace dormouse::artifacts {

namespace {

using store::SqliteConnection;
using store::SqliteTransaction;

// The columns of objects, from `key` on, in the order of the SELECTs below.
Object read_object(store::SqliteStatement& row) {
  Object object;
  object.key = row.text();
  object.size = static_cast<std::uint64_t>(row.number());
  object.etag = row.text();
  object.modified = time_from_column(row.number());
  object.headers = fields_from_column(row.text());
  object.checksum = checksum_from_column(row.text());
  return object;
}

}  // namespace

ObjectStore::ObjectStore(Blobs blobs, std::unique_ptr<SqliteConnection> index, const Clock& clock)
    : blobs_(std::move(blobs)), clock_(clock), index_(std::move(index)) {}

ObjectStore::~ObjectStore() = default;

Result<std::unique_ptr<ObjectStore>> ObjectStore::open(const std::filesystem::path& directory, const Clock& clock) {
  DM_ASSIGN(Blobs blobs, Blobs::open(directory), "open the artifacts");
  DM_ASSIGN(auto index,
            SqliteConnection::open(directory / "index.sqlite", SqliteConnection::Mode::kReadWriteCreate),
            "open the artifacts");
  DM_TRY(index->execute(kSchema), "open the artifacts");
  std::unique_ptr<ObjectStore> store(new ObjectStore(std::move(blobs), std::move(index), clock));
  const std::lock_guard lock(store->mutex_);
  DM_TRY(store->collect_garbage(), "clean up the artifacts");
  return store;
}

Status ObjectStore::collect_garbage() {
  const std::int64_t oldest = to_column(clock_.wall() - kUploadAgeMax);
  {
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(*index_), "");
    {
      DM_ASSIGN(auto remove, index_->prepare("DELETE FROM uploads WHERE started < ?"), "");
      DM_TRY(remove.bind(oldest).run(), "");
    }
    DM_TRY(index_->execute("DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads)"), "");
    DM_TRY(transaction.commit(), "");
  }
  std::set<std::string> referenced;
  DM_ASSIGN(auto select, index_->prepare("SELECT blob FROM objects UNION ALL SELECT blob FROM parts"), "");
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "");
    if (!row) {
      break;
    }
    referenced.insert(select.text());
  }
  return blobs_.collect(referenced);
}

Status ObjectStore::require_bucket(const std::string& account, const std::string& bucket) const {
  DM_ASSIGN(auto select, index_->prepare("SELECT 1 FROM buckets WHERE account = ? AND name = ?"), "");
  DM_ASSIGN(const bool found, select.bind(account).bind(bucket).step(), "");
  if (!found) {
    return fail(ErrorKind::kNotFound, fmt::format("NoSuchBucket: there is no bucket '{}'", bucket));
  }
  return {};
}

Status ObjectStore::create_bucket(const std::string& account, const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(
      auto insert, index_->prepare("INSERT OR IGNORE INTO buckets (account, name, created) VALUES (?, ?, ?)"), "");
  DM_TRY(insert.bind(account).bind(bucket).bind(to_column(clock_.wall())).run(), "create a bucket");
  if (index_->changes() == 0) {
    return fail(ErrorKind::kConflict, fmt::format("bucket '{}' exists already", bucket));
  }
  return {};
}

Status ObjectStore::remove_bucket(const std::string& account, const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(account, bucket), "");
  DM_ASSIGN(auto remove,
            index_->prepare("DELETE FROM buckets WHERE account = ?1 AND name = ?2 AND NOT EXISTS "
                            "(SELECT 1 FROM objects WHERE account = ?1 AND bucket = ?2) AND NOT EXISTS "
                            "(SELECT 1 FROM uploads WHERE account = ?1 AND bucket = ?2)"),
            "");
  DM_TRY(remove.bind(account).bind(bucket).run(), "remove a bucket");
  if (index_->changes() == 0) {
    return fail(ErrorKind::kConflict, fmt::format("bucket '{}' is not empty", bucket));
  }
  return {};
}

Result<std::vector<Bucket>> ObjectStore::list_buckets(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(auto select, index_->prepare("SELECT name, created FROM buckets WHERE account = ? ORDER BY name"), "");
  select.bind(account);
  std::vector<Bucket> buckets;
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "list the buckets");
    if (!row) {
      return buckets;
    }
    std::string name = select.text();
    buckets.push_back({.name = std::move(name), .created = time_from_column(select.number())});
  }
}

Result<std::vector<ObjectStore::BucketUse>> ObjectStore::bucket_use() const {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(auto select,
            index_->prepare("SELECT account, bucket, SUM(size), COUNT(*) FROM objects GROUP BY account, bucket"),
            "");
  std::vector<BucketUse> found;
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "add up the buckets");
    if (!row) {
      return found;
    }
    BucketUse use;
    use.account = select.text();
    use.bucket = select.text();
    use.bytes = static_cast<std::uint64_t>(select.number());
    use.objects = static_cast<std::size_t>(select.number());
    found.push_back(std::move(use));
  }
}

Result<Bucket> ObjectStore::bucket(const std::string& account, const std::string& bucket) const {
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(account, bucket), "");
  DM_ASSIGN(auto select, index_->prepare("SELECT created FROM buckets WHERE account = ? AND name = ?"), "");
  DM_TRY(select.bind(account).bind(bucket).step(), "");
  return Bucket{.name = bucket, .created = time_from_column(select.number())};
}

Result<std::pair<Object, std::string>> ObjectStore::find_row(const ObjectName& name) const {
  DM_TRY(require_bucket(name.account, name.bucket), "");
  DM_ASSIGN(auto select,
            index_->prepare("SELECT key, size, etag, modified, headers, checksum, blob FROM objects "
                            "WHERE account = ? AND bucket = ? AND key = ?"),
            "");
  DM_ASSIGN(const bool found, select.bind(name.account).bind(name.bucket).bind(name.key).step(), "find an object");
  if (!found) {
    return fail(ErrorKind::kNotFound, fmt::format("NoSuchKey: bucket '{}' has no key '{}'", name.bucket, name.key));
  }
  Object object = read_object(select);
  return std::pair(std::move(object), select.text());
}

Result<Object> ObjectStore::find(const ObjectName& name) const {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(auto row, find_row(name), "");
  return std::move(row.first);
}

Result<ObjectStore::Opened> ObjectStore::read(const ObjectName& name) const {
  const std::lock_guard lock(mutex_);  // so that the blob is not removed between the two steps
  DM_ASSIGN(auto row, find_row(name), "");
  DM_ASSIGN(UniqueFd file, blobs_.read(row.second), "");
  return Opened{.object = std::move(row.first), .file = std::move(file)};
}

Result<std::string> ObjectStore::put_row(const ObjectName& name,
                                         const Object& object,
                                         const std::string& blob,
                                         const PutCondition& condition) {
  DM_TRY(require_bucket(name.account, name.bucket), "");
  std::string replaced;
  if (auto present = find_row(name)) {
    if (condition.absent || (condition.etag && *condition.etag != present->first.etag)) {
      return fail(ErrorKind::kConflict, "At least one of the pre-conditions you specified did not hold");
    }
    replaced = present->second;
  } else if (present.error().kind() != ErrorKind::kNotFound || condition.etag) {
    return fail(std::move(present).error());
  }
  DM_ASSIGN(auto insert,
            index_->prepare("INSERT OR REPLACE INTO objects "
                            "(account, bucket, key, blob, size, etag, modified, headers, checksum) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
            "");
  insert.bind(name.account).bind(name.bucket).bind(name.key).bind(blob);
  insert.bind(static_cast<std::int64_t>(object.size)).bind(object.etag).bind(to_column(object.modified));
  insert.bind(to_column(object.headers)).bind(to_column(object.checksum));
  DM_TRY(insert.run(), "put an object");
  return replaced;
}

Result<Object> ObjectStore::put(const ObjectName& name,
                                Object object,
                                BlobWriter& blob,
                                const PutCondition& condition) {
  DM_TRY(blob.publish(), "put an object");
  ScopeExit abandon([&] { blobs_.remove(blob.id()); });
  object.key = name.key;
  object.size = blob.size();
  const std::lock_guard lock(mutex_);
  object.modified = clock_.wall();
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*index_), "");
  DM_ASSIGN(const std::string replaced, put_row(name, object, blob.id(), condition), "");
  DM_TRY(transaction.commit(), "put an object");
  abandon.dismiss();
  if (!replaced.empty()) {
    blobs_.remove(replaced);
  }
  return object;
}

Status ObjectStore::remove(const ObjectName& name) {
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(name.account, name.bucket), "");
  auto row = find_row(name);
  if (!row) {
    return row.error().kind() == ErrorKind::kNotFound ? Status() : fail(std::move(row).error());
  }
  DM_ASSIGN(auto remove, index_->prepare("DELETE FROM objects WHERE account = ? AND bucket = ? AND key = ?"), "");
  DM_TRY(remove.bind(name.account).bind(name.bucket).bind(name.key).run(), "remove an object");
  blobs_.remove(row->second);
  return {};
}

Result<std::vector<Object>> ObjectStore::range(const std::string& account,
                                               const std::string& bucket,
                                               const std::string& from,
                                               const std::string& until,
                                               std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(account, bucket), "");
  DM_ASSIGN(auto select,
            index_->prepare("SELECT key, size, etag, modified, headers, checksum FROM objects "
                            "WHERE account = ? AND bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"),
            "");
  select.bind(account).bind(bucket).bind(from).bind(until).bind(static_cast<std::int64_t>(limit));
  std::vector<Object> objects;
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "list objects");
    if (!row) {
      return objects;
    }
    objects.push_back(read_object(select));
  }
}

}  // namespace dormouse::artifacts
