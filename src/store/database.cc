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
  DM_ASSIGN(auto reader, SqliteConnection::open(path, SqliteConnection::Mode::kReadOnly), "");
  return std::unique_ptr<Database>(new Database(std::move(writer), std::move(reader)));
}

}  // namespace dormouse::store
