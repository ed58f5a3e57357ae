// SPDX-License-Identifier: Apache-2.0
//
// SQLite by its own names, owned: a connection, a statement, a transaction. Policy-free.

#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dormouse::store {

class SqliteStatement;

// One connection. Not thread-safe: its user holds a lock. Statements are prepared once and kept.
class SqliteConnection {
 public:
  enum class Mode { kReadWriteCreate, kReadOnly };
  // kDataLoss when the file is no database.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::filesystem::path& path, Mode mode);

  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Runs statements without parameters or rows, separated by semicolons.
  Status execute(const char* sql);

  // The statement for `sql`. At most one use of the same text at a time.
  Result<SqliteStatement> prepare(std::string_view sql);

  // Rows that the last INSERT, UPDATE or DELETE changed.
  std::int64_t changes() const;

  // The error of the last call. `action` names what was tried.
  Error last_error(std::string_view action) const;

 private:
  explicit SqliteConnection(sqlite3* handle) : handle_(handle) {}

  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };

  sqlite3* handle_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalizer>, std::less<>> statements_;  // by their text
};

// One use of a prepared statement: bind in order, step, read columns in order. Resets when destroyed.
class [[nodiscard]] SqliteStatement {
 public:
  SqliteStatement(SqliteConnection& connection, sqlite3_stmt* handle) : connection_(&connection), handle_(handle) {}
  ~SqliteStatement();
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;

  // The text is copied. Each binds the next parameter; an error shows in step().
  SqliteStatement& bind(std::string_view text);
  SqliteStatement& bind(std::int64_t number);
  SqliteStatement& bind(const std::optional<std::int64_t>& number);

  // True when there is a row, whose columns can then be read in order.
  Result<bool> step();
  // For statements without rows.
  Status run();

  std::string text();
  std::int64_t number();
  std::optional<std::int64_t> optional_number();

 private:
  SqliteConnection* connection_;
  sqlite3_stmt* handle_;
  int parameter_ = 0;
  int column_ = 0;
  int bind_error_ = 0;
};

// BEGIN IMMEDIATE at construction through begin(); rolls back unless committed.
class [[nodiscard]] SqliteTransaction {
 public:
  static Result<SqliteTransaction> begin(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;

  Status commit();

 private:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(&connection) {}
  SqliteConnection* connection_;  // null once committed or moved from
};

}  // namespace dormouse::store
