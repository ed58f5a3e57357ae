// SPDX-License-Identifier: Apache-2.0
//
// The multipart uploads of ObjectStore.

#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/core.h>

#include "artifacts/index.h"
#include "artifacts/object_store.h"
#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::artifacts {

namespace {

using store::SqliteTransaction;

constexpr std::size_t kCopyBytes = 1 << 20;

Part read_part(store::SqliteStatement& row) {
  Part part;
  part.number = static_cast<int>(row.number());
  part.size = static_cast<std::uint64_t>(row.number());
  part.etag = row.text();
  part.modified = time_from_column(row.number());
  part.checksum = checksum_from_column(row.text());
  return part;
}

Upload read_upload(store::SqliteStatement& row) {
  Upload upload;
  upload.id = row.text();
  upload.key = row.text();
  upload.started = time_from_column(row.number());
  upload.headers = fields_from_column(row.text());
  upload.checksum_algorithm = parse_checksum_algorithm(row.text());
  upload.checksum_full_object = row.number() != 0;
  return upload;
}

}  // namespace

Result<std::string> ObjectStore::begin_upload(const ObjectName& name, const Upload& upload) {
  DM_ASSIGN(const auto blob, blobs_.create(), "");
  std::string id = blob->id();  // for its randomness
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(name.account, name.bucket), "");
  DM_ASSIGN(auto insert,
            index_->prepare("INSERT INTO uploads (id, account, bucket, key, started, headers, algorithm, full_object) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
            "");
  insert.bind(id).bind(name.account).bind(name.bucket).bind(name.key).bind(to_column(clock_.wall()));
  insert.bind(to_column(upload.headers));
  insert.bind(upload.checksum_algorithm ? to_string(*upload.checksum_algorithm) : std::string_view());
  insert.bind(static_cast<std::int64_t>(upload.checksum_full_object));
  DM_TRY(insert.run(), "begin an upload");
  return id;
}

Result<Upload> ObjectStore::find_upload(const ObjectName& name, const std::string& id) const {
  DM_TRY(require_bucket(name.account, name.bucket), "");
  DM_ASSIGN(auto select,
            index_->prepare("SELECT id, key, started, headers, algorithm, full_object FROM uploads "
                            "WHERE id = ? AND account = ? AND bucket = ? AND key = ?"),
            "");
  DM_ASSIGN(const bool found, select.bind(id).bind(name.account).bind(name.bucket).bind(name.key).step(), "");
  if (!found) {
    return fail(ErrorKind::kNotFound, fmt::format("NoSuchUpload: there is no upload '{}'", id));
  }
  return read_upload(select);
}

Result<Upload> ObjectStore::upload(const ObjectName& name, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return find_upload(name, id);
}

Result<std::vector<Upload>> ObjectStore::list_uploads(const std::string& account,
                                                      const std::string& bucket,
                                                      const std::string& after_key,
                                                      const std::string& after_id,
                                                      std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  DM_TRY(require_bucket(account, bucket), "");
  DM_ASSIGN(auto select,
            index_->prepare("SELECT id, key, started, headers, algorithm, full_object FROM uploads "
                            "WHERE account = ? AND bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?"),
            "");
  select.bind(account).bind(bucket).bind(after_key).bind(after_id).bind(static_cast<std::int64_t>(limit));
  std::vector<Upload> uploads;
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "list uploads");
    if (!row) {
      return uploads;
    }
    uploads.push_back(read_upload(select));
  }
}

Result<Part> ObjectStore::put_part(const ObjectName& name, const std::string& id, Part part, BlobWriter& blob) {
  DM_TRY(blob.publish(), "put a part");
  ScopeExit abandon([&] { blobs_.remove(blob.id()); });
  part.size = blob.size();
  const std::lock_guard lock(mutex_);
  part.modified = clock_.wall();
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*index_), "");
  DM_TRY(find_upload(name, id), "");
  std::string replaced;
  {
    DM_ASSIGN(auto select, index_->prepare("SELECT blob FROM parts WHERE upload = ? AND number = ?"), "");
    DM_ASSIGN(const bool found, select.bind(id).bind(std::int64_t{part.number}).step(), "");
    if (found) {
      replaced = select.text();
    }
  }
  {
    DM_ASSIGN(auto insert,
              index_->prepare("INSERT OR REPLACE INTO parts (upload, number, blob, size, etag, modified, checksum) "
                              "VALUES (?, ?, ?, ?, ?, ?, ?)"),
              "");
    insert.bind(id).bind(std::int64_t{part.number}).bind(blob.id()).bind(static_cast<std::int64_t>(part.size));
    insert.bind(part.etag).bind(to_column(part.modified)).bind(to_column(part.checksum));
    DM_TRY(insert.run(), "put a part");
  }
  DM_TRY(transaction.commit(), "put a part");
  abandon.dismiss();
  if (!replaced.empty()) {
    blobs_.remove(replaced);
  }
  return part;
}

Result<std::vector<Part>> ObjectStore::list_parts(const ObjectName& name,
                                                  const std::string& id,
                                                  int after,
                                                  std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  DM_TRY(find_upload(name, id), "");
  DM_ASSIGN(auto select,
            index_->prepare("SELECT number, size, etag, modified, checksum FROM parts "
                            "WHERE upload = ? AND number > ? ORDER BY number LIMIT ?"),
            "");
  select.bind(id).bind(std::int64_t{after}).bind(static_cast<std::int64_t>(limit));
  std::vector<Part> parts;
  while (true) {
    DM_ASSIGN(const bool row, select.step(), "list parts");
    if (!row) {
      return parts;
    }
    parts.push_back(read_part(select));
  }
}

Status ObjectStore::concatenate(const ObjectName& name,
                                const std::string& id,
                                const std::vector<int>& numbers,
                                BlobWriter& blob,
                                Checksum* checksum) const {
  std::vector<std::byte> piece(kCopyBytes);
  for (const int number : numbers) {
    UniqueFd file;
    {
      const std::lock_guard lock(mutex_);
      DM_TRY(find_upload(name, id), "");
      DM_ASSIGN(auto select, index_->prepare("SELECT blob FROM parts WHERE upload = ? AND number = ?"), "");
      DM_ASSIGN(const bool found, select.bind(id).bind(std::int64_t{number}).step(), "");
      if (!found) {
        return fail(ErrorKind::kInvalidArgument, fmt::format("there is no part {}", number));
      }
      DM_ASSIGN(file, blobs_.read(select.text()), "");
    }
    while (true) {
      const ssize_t got = ::read(file.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return fail_errno(fmt::format("read part {}", number));
      }
      if (got == 0) {
        break;
      }
      const std::span<const std::byte> bytes(piece.data(), static_cast<std::size_t>(got));
      if (checksum != nullptr) {
        checksum->update(bytes);
      }
      DM_TRY(blob.write(bytes), "");
    }
  }
  return {};
}

Result<std::vector<std::string>> ObjectStore::remove_upload_rows(const std::string& id) {
  std::vector<std::string> blobs;
  {
    DM_ASSIGN(auto select, index_->prepare("SELECT blob FROM parts WHERE upload = ?"), "");
    select.bind(id);
    while (true) {
      DM_ASSIGN(const bool row, select.step(), "");
      if (!row) {
        break;
      }
      blobs.push_back(select.text());
    }
  }
  DM_ASSIGN(auto parts, index_->prepare("DELETE FROM parts WHERE upload = ?"), "");
  DM_TRY(parts.bind(id).run(), "");
  DM_ASSIGN(auto upload, index_->prepare("DELETE FROM uploads WHERE id = ?"), "");
  DM_TRY(upload.bind(id).run(), "");
  return blobs;
}

Result<Object> ObjectStore::complete_upload(
    const ObjectName& name, const std::string& id, Object object, BlobWriter& blob, const PutCondition& condition) {
  DM_TRY(blob.publish(), "complete an upload");
  ScopeExit abandon([&] { blobs_.remove(blob.id()); });
  object.key = name.key;
  object.size = blob.size();
  const std::lock_guard lock(mutex_);
  object.modified = clock_.wall();
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*index_), "");
  DM_TRY(find_upload(name, id), "");
  DM_ASSIGN(const std::string replaced, put_row(name, object, blob.id(), condition), "");
  DM_ASSIGN(const std::vector<std::string> parts, remove_upload_rows(id), "complete an upload");
  DM_TRY(transaction.commit(), "complete an upload");
  abandon.dismiss();
  if (!replaced.empty()) {
    blobs_.remove(replaced);
  }
  for (const std::string& part : parts) {
    blobs_.remove(part);
  }
  return object;
}

Status ObjectStore::abort_upload(const ObjectName& name, const std::string& id) {
  const std::lock_guard lock(mutex_);
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*index_), "");
  DM_TRY(find_upload(name, id), "");
  DM_ASSIGN(const std::vector<std::string> parts, remove_upload_rows(id), "abort an upload");
  DM_TRY(transaction.commit(), "abort an upload");
  for (const std::string& part : parts) {
    blobs_.remove(part);
  }
  return {};
}

}  // namespace dormouse::artifacts
