// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "store/sqlite.h"

namespace dormouse::store {

// DIR/metadata.sqlite (docs/formats/database.md), made if it is not there and brought up to this program's schema:
// write-ahead log, synced at every commit, readable by its owner alone. One daemon at a time. The stores of one kind of
// record each (metadata_store.h, ...) stand on it.
//
// Invariant: writes go through one connection, reads through another, each under its lock, so that a read never waits for
// a sync. Thread-safe.
class Database {
 public:
  // kConflict for a file of a newer program, kDataLoss for one that is no database.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path);

  // What `use(SqliteConnection&)` answers, a Result or Status. It sees every write() that has returned.
  template <typename Function>
  auto read(Function use) const {
    const std::lock_guard lock(reader_mutex_);
    return use(*reader_);
  }

  // Likewise in a transaction, which holds if `use` succeeds and leaves no trace if it fails.
  template <typename Function>
  auto write(Function use) -> decltype(use(std::declval<SqliteConnection&>())) {
    const std::lock_guard lock(writer_mutex_);
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "write metadata");
    auto result = use(*writer_);
    if (!result) {
      return fail(std::move(result).error().with_context("write metadata"));
    }
    DM_TRY(transaction.commit(), "write metadata");
    return result;
  }

 private:
  Database(std::unique_ptr<SqliteConnection> writer, std::unique_ptr<SqliteConnection> reader)
      : writer_(std::move(writer)), reader_(std::move(reader)) {}

  mutable std::mutex writer_mutex_;
  const std::unique_ptr<SqliteConnection> writer_;  // used under writer_mutex_
  mutable std::mutex reader_mutex_;
  const std::unique_ptr<SqliteConnection> reader_;  // used under reader_mutex_
};

}  // namespace dormouse::store
