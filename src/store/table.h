// SPDX-License-Identifier: Apache-2.0
//
// A record's table as data: its columns and the members of the row that they hold. Reading, inserting and paging of every
// kind of record come from here, so a new column is one line in tables.cc and one in rows.h (and a migration).

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "store/paging.h"
#include "store/rows.h"
#include "store/sqlite.h"

namespace dormouse::store {

std::int64_t to_number(WallTime time);  // microseconds since the epoch, as columns hold them
WallTime to_time(std::int64_t microseconds);

enum class Use {
  kKey,       // of the primary key
  kFixed,     // written when the row is inserted
  kChanging,  // written each time
};

template <typename Row>
struct Column {
  const char* name;
  Use use;
  std::variant<std::string Row::*, std::int64_t Row::*, bool Row::*, WallTime Row::*, std::optional<WallTime> Row::*>
      member;
};

template <typename Row>
struct Table {
  std::string name;
  std::vector<Column<Row>> columns;
  std::string Row::* listed_by = nullptr;  // column of the key that orders a listing, after created_at
  std::string replaced_only_if = "1 = 1";  // condition for put() to change a row that is there

  std::string select(std::string_view rest) const {
    return "SELECT " + column_list(", ", [](const auto& column) { return column.name; }) + " FROM " + name + " " +
           std::string(rest);
  }
  std::string insert() const {
    std::string sql = "INSERT INTO " + name + " (" + column_list(", ", [](const auto& column) { return column.name; });
    return sql + ") VALUES (" + column_list(", ", [](const auto&) { return "?"; }) + ")";
  }
  std::string insert_or_update() const {
    std::string sql = insert() + " ON CONFLICT (";
    sql += column_list(", ", [](const auto& column) { return column.use == Use::kKey ? column.name : ""; });
    sql += ") DO UPDATE SET " + column_list(", ", [](const auto& column) {
             return column.use == Use::kChanging ? column.name + std::string(" = excluded.") + column.name : "";
           });
    return sql + " WHERE " + replaced_only_if;
  }
  const char* listed_by_name() const {
    for (const auto& column : columns) {
      const auto* const text = std::get_if<std::string Row::*>(&column.member);
      if (text != nullptr && *text == listed_by) {
        return column.name;
      }
    }
    return "";
  }

 private:
  template <typename Piece>
  std::string column_list(const char* separator, Piece piece) const {
    std::string text;
    for (const auto& column : columns) {
      const std::string part = piece(column);
      text += (text.empty() || part.empty() ? "" : separator) + part;
    }
    return text;
  }
};

// The table of each kind of row (tables.cc).
template <typename Row>
const Table<Row>& table();
template <>
const Table<ImageRow>& table<ImageRow>();
template <>
const Table<VersionRow>& table<VersionRow>();
template <>
const Table<BuildRow>& table<BuildRow>();
template <>
const Table<ConnectorRow>& table<ConnectorRow>();
template <>
const Table<MicrovmRow>& table<MicrovmRow>();
template <>
const Table<TokenRow>& table<TokenRow>();
template <>
const Table<AccountRow>& table<AccountRow>();
template <>
const Table<AccessKeyRow>& table<AccessKeyRow>();
template <>
const Table<RoleRow>& table<RoleRow>();

namespace columns {

inline void read(SqliteStatement& statement, std::string& value) { value = statement.text(); }
inline void read(SqliteStatement& statement, std::int64_t& value) { value = statement.number(); }
inline void read(SqliteStatement& statement, bool& value) { value = statement.number() != 0; }
inline void read(SqliteStatement& statement, WallTime& value) { value = to_time(statement.number()); }
inline void read(SqliteStatement& statement, std::optional<WallTime>& value) {
  const auto number = statement.optional_number();
  value = number ? std::optional(to_time(*number)) : std::nullopt;
}

inline void bind(SqliteStatement& statement, std::string_view value) { statement.bind(value); }
inline void bind(SqliteStatement& statement, const std::string& value) { statement.bind(value); }
inline void bind(SqliteStatement& statement, std::int64_t value) { statement.bind(value); }
inline void bind(SqliteStatement& statement, std::size_t value) { statement.bind(static_cast<std::int64_t>(value)); }
inline void bind(SqliteStatement& statement, bool value) { statement.bind(std::int64_t{value ? 1 : 0}); }
inline void bind(SqliteStatement& statement, WallTime value) { statement.bind(to_number(value)); }
inline void bind(SqliteStatement& statement, const std::optional<WallTime>& value) {
  statement.bind(value ? std::optional(to_number(*value)) : std::nullopt);
}

}  // namespace columns

template <typename Row>
Row read_row(SqliteStatement& statement) {
  Row row;
  for (const auto& column : table<Row>().columns) {
    std::visit([&](auto member) { columns::read(statement, row.*member); }, column.member);
  }
  return row;
}

// Runs a statement without rows. Answers how many rows it changed.
template <typename... Values>
Result<std::size_t> run(SqliteConnection& connection, std::string_view sql, const Values&... values) {
  DM_ASSIGN(auto statement, connection.prepare(sql), "");
  (columns::bind(statement, values), ...);
  DM_TRY(statement.run(), "");
  return static_cast<std::size_t>(connection.changes());
}

// Runs an INSERT that has a parameter for each column. Answers how many rows changed.
template <typename Row>
Result<std::size_t> insert_row(SqliteConnection& connection, std::string_view sql, const Row& row) {
  DM_ASSIGN(auto statement, connection.prepare(sql), "put into " + table<Row>().name);
  for (const auto& column : table<Row>().columns) {
    std::visit([&](auto member) { columns::bind(statement, row.*member); }, column.member);
  }
  DM_TRY(statement.run(), "put into " + table<Row>().name);
  return static_cast<std::size_t>(connection.changes());
}

// Inserts the row, or updates its changing columns: 0 where `replaced_only_if` forbade it.
template <typename Row>
Result<std::size_t> put(SqliteConnection& connection, const Row& row) {
  return insert_row(connection, table<Row>().insert_or_update(), row);
}

// Inserts the row: 0 when there is one with its key.
template <typename Row>
Result<std::size_t> insert_only(SqliteConnection& connection, const Row& row) {
  return insert_row(connection, table<Row>().insert() + " ON CONFLICT DO NOTHING", row);
}

// `rest` is what follows FROM, with a parameter for each value.
template <typename Row, typename... Values>
Result<std::vector<Row>> find_all(SqliteConnection& connection, std::string_view rest, const Values&... values) {
  const std::string context = "read " + table<Row>().name;
  DM_ASSIGN(auto statement, connection.prepare(table<Row>().select(rest)), context);
  (columns::bind(statement, values), ...);
  std::vector<Row> rows;
  for (;;) {
    DM_ASSIGN(const bool found, statement.step(), context);
    if (!found) {
      return rows;
    }
    rows.push_back(read_row<Row>(statement));
  }
}

template <typename Row, typename... Values>
Result<std::optional<Row>> find_one(SqliteConnection& connection, std::string_view rest, const Values&... values) {
  const std::string context = "read " + table<Row>().name;
  DM_ASSIGN(auto statement, connection.prepare(table<Row>().select(rest)), context);
  (columns::bind(statement, values), ...);
  DM_ASSIGN(const bool found, statement.step(), context);
  return found ? std::optional<Row>(read_row<Row>(statement)) : std::nullopt;
}

// `sql` is a SELECT count(*).
template <typename... Values>
Result<std::size_t> count_rows(SqliteConnection& connection, std::string_view sql, const Values&... values) {
  DM_ASSIGN(auto statement, connection.prepare(sql), "count");
  (columns::bind(statement, values), ...);
  DM_TRY(statement.step(), "count");
  return static_cast<std::size_t>(statement.number());
}

// A page of the rows that keep `condition`, newest first.
template <typename Row, typename... Values>
Result<RowPage<Row>> find_page(SqliteConnection& connection,
                               std::string_view condition,
                               const PageRequest& page,
                               const Values&... values) {
  DM_ASSIGN(const auto after, TimePosition::parse(page.after), "");
  const std::string id = table<Row>().listed_by_name();
  const std::string rest = "WHERE " + std::string(condition) + " AND (created_at, " + id +
                           ") < (?, ?) ORDER BY created_at DESC, " + id + " DESC LIMIT ?";
  DM_ASSIGN(auto rows, find_all<Row>(connection, rest, values..., after.created_at, after.id, page.limit + 1), "");
  return cut_page(std::move(rows), page, [](const Row& row) {
    return TimePosition::of(row.created_at, row.*(table<Row>().listed_by)).text();
  });
}

}  // namespace dormouse::store
