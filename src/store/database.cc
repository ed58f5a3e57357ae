// SPDX-License-Identifier: Apache-2.0

#include "store/database.h"

#include <utility>

#include "store/schema.h"

namespace dormouse::store {

namespace fs = std::filesystem;

Result<std::unique_ptr<Database>> Database::open(const fs::path& path) {
  DM_ASSIGN(auto writer, SqliteConnection::open(path, SqliteConnection::Mode::kReadWriteCreate), "");
  // It holds secrets of access keys. The log beside it gets the same permissions.
  std::error_code error;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  if (error) {
    return fail(ErrorKind::kPermissionDenied, path.native() + ": chmod 0600: " + error.message());
  }
  DM_TRY(writer->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"), path.native());
  DM_TRY(migrate(*writer), path.native());
  std::vector<std::unique_ptr<SqliteConnection>> readers(kReaders);
  for (std::unique_ptr<SqliteConnection>& reader : readers) {
    DM_ASSIGN(reader, SqliteConnection::open(path, SqliteConnection::Mode::kReadOnly), "");
  }
  return std::unique_ptr<Database>(new Database(std::move(writer), std::move(readers)));
}

std::unique_ptr<SqliteConnection> Database::take_reader() const {
  std::unique_lock lock(readers_mutex_);
  reader_returned_.wait(lock, [this] { return !readers_.empty(); });
  std::unique_ptr<SqliteConnection> reader = std::move(readers_.back());  // the last one used: its caches are warm
  readers_.pop_back();
  return reader;
}

void Database::return_reader(std::unique_ptr<SqliteConnection> reader) const {
  {
    const std::lock_guard lock(readers_mutex_);
    readers_.push_back(std::move(reader));
  }
  reader_returned_.notify_one();
}

}  // namespace dormouse::store
