// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/sqlite.h"

namespace dormouse::store {

// DIR/metadata.sqlite (docs/formats/database.md), made if it is not there and brought up to this program's schema:
// write-ahead log, synced at every commit, readable by its owner alone. One daemon at a time. The stores of one kind of
// record each (metadata_store.h, ...) stand on it.
//
// Invariant: writes go through one connection, reads through a few others, each used by one thread at a time, so that a read
// never waits for a sync, and for other reads only when all connections are in use. Thread-safe.
class Database {
 public:
  // More than the processors of small hosts: who is preempted in the middle of a read must not keep all others from theirs.
  static constexpr std::size_t kReaders = 8;

  // kConflict for a file of a newer program, kDataLoss for one that is no database.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path);

  // What `use(SqliteConnection&)` answers, a Result or Status. It sees every write() that has returned.
  template <typename Function>
  auto read(Function use) const {
    const Reader reader(*this);
    return use(reader.connection());
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
  Database(std::unique_ptr<SqliteConnection> writer, std::vector<std::unique_ptr<SqliteConnection>> readers)
      : writer_(std::move(writer)), readers_(std::move(readers)) {}

  // A reading connection while it is this one's alone.
  class Reader {
   public:
    explicit Reader(const Database& database) : database_(database), connection_(database.take_reader()) {}
    ~Reader() { database_.return_reader(std::move(connection_)); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    SqliteConnection& connection() const { return *connection_; }

   private:
    const Database& database_;
    std::unique_ptr<SqliteConnection> connection_;
  };
  std::unique_ptr<SqliteConnection> take_reader() const;  // waits for a free one
  void return_reader(std::unique_ptr<SqliteConnection> reader) const;

  mutable std::mutex writer_mutex_;
  const std::unique_ptr<SqliteConnection> writer_;  // used under writer_mutex_
  mutable std::mutex readers_mutex_;
  mutable std::condition_variable reader_returned_;
  mutable std::vector<std::unique_ptr<SqliteConnection>> readers_;  // the free ones; guarded by readers_mutex_
};

}  // namespace dormouse::store
