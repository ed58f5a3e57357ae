// SPDX-License-Identifier: Apache-2.0

#include "store/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include <fmt/core.h>

namespace dormouse::store {

namespace {

constexpr int kBusyTimeoutMilliseconds = 10'000;  // for another process, e.g. a backup; our own writers take turns

ErrorKind kind_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_CONSTRAINT: return ErrorKind::kConflict;
    case SQLITE_FULL: return ErrorKind::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorKind::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorKind::kDataLoss;
    default: return ErrorKind::kInternal;
  }
}

}  // namespace

void SqliteConnection::Finalizer::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::filesystem::path& path, Mode mode) {
  const int access = mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, access | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(handle));  // also after a failure: to be closed
  if (code != SQLITE_OK) {
    return fail(kind_of(code), fmt::format("open {}: {}", path.native(), sqlite3_errstr(code)));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMilliseconds);
  return connection;
}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
  sqlite3_close(handle_);
}

Status SqliteConnection::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return fail(last_error(sql));
  }
  return {};
}

Result<SqliteStatement> SqliteConnection::prepare(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int size = static_cast<int>(sql.size());
    if (sqlite3_prepare_v3(handle_, sql.data(), size, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      return fail(last_error(sql));
    }
    found = statements_.emplace(sql, statement).first;
  }
  return SqliteStatement(*this, found->second.get());
}

std::int64_t SqliteConnection::changes() const { return sqlite3_changes64(handle_); }

Error SqliteConnection::last_error(std::string_view action) const {
  return Error(kind_of(sqlite3_extended_errcode(handle_)), fmt::format("{}: {}", action, sqlite3_errmsg(handle_)));
}

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_),
      handle_(std::exchange(other.handle_, nullptr)),
      parameter_(other.parameter_),
      column_(other.column_),
      bind_error_(other.bind_error_) {}

SqliteStatement::~SqliteStatement() {
  if (handle_ != nullptr) {
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
  }
}

SqliteStatement& SqliteStatement::bind(std::string_view text) {
  const int code = sqlite3_bind_text64(
      handle_, ++parameter_, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  bind_error_ = bind_error_ != SQLITE_OK ? bind_error_ : code;
  return *this;
}

SqliteStatement& SqliteStatement::bind(std::int64_t number) {
  const int code = sqlite3_bind_int64(handle_, ++parameter_, number);
  bind_error_ = bind_error_ != SQLITE_OK ? bind_error_ : code;
  return *this;
}

SqliteStatement& SqliteStatement::bind(const std::optional<std::int64_t>& number) {
  if (number) {
    return bind(*number);
  }
  const int code = sqlite3_bind_null(handle_, ++parameter_);
  bind_error_ = bind_error_ != SQLITE_OK ? bind_error_ : code;
  return *this;
}

Result<bool> SqliteStatement::step() {
  if (bind_error_ != SQLITE_OK) {
    return fail(kind_of(bind_error_), fmt::format("bind a value: {}", sqlite3_errstr(bind_error_)));
  }
  column_ = 0;
  switch (sqlite3_step(handle_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return fail(connection_->last_error("run a statement"));
  }
}

Status SqliteStatement::run() {
  DM_TRY(step(), "");
  return {};
}

std::string SqliteStatement::text() {
  const int column = column_++;
  const void* bytes = sqlite3_column_blob(handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

std::int64_t SqliteStatement::number() { return sqlite3_column_int64(handle_, column_++); }

std::optional<std::int64_t> SqliteStatement::optional_number() {
  if (sqlite3_column_type(handle_, column_) == SQLITE_NULL) {
    ++column_;
    return std::nullopt;
  }
  return number();
}

Result<SqliteTransaction> SqliteTransaction::begin(SqliteConnection& connection) {
  DM_TRY(connection.execute("BEGIN IMMEDIATE"), "");
  return SqliteTransaction(connection);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  if (connection_ != nullptr) {
    [[maybe_unused]] const Status rolled_back = connection_->execute("ROLLBACK");
  }
}

Status SqliteTransaction::commit() {
  DM_TRY(connection_->execute("COMMIT"), "");  // a failed one is rolled back by the destructor
  connection_ = nullptr;
  return {};
}

}  // namespace dormouse::store
