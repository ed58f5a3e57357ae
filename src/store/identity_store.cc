// SPDX-License-Identifier: Apache-2.0

#include "store/identity_store.h"

#include <utility>

#include <fmt/core.h>

#include "store/table.h"

namespace dormouse::store {

namespace {

struct Kind {
  const char* name;
  const char* count;
};

// What stands in the way of an account's end.
constexpr Kind kKinds[] = {
    {"images", "SELECT count(*) FROM images WHERE account = ?"},
    {"microvms", "SELECT count(*) FROM microvms WHERE account = ? AND terminated = 0"},
    {"connectors", "SELECT count(*) FROM connectors WHERE account = ? AND deleted_at IS NULL"},
    {"roles", "SELECT count(*) FROM roles WHERE account = ?"},
};

Result<IdentityStore::Counts> count(SqliteConnection& connection, std::string_view account) {
  IdentityStore::Counts counts;
  for (const Kind& kind : kKinds) {
    DM_ASSIGN(const std::size_t number, count_rows(connection, kind.count, account), kind.name);
    if (number > 0) {
      counts[kind.name] = number;
    }
  }
  return counts;
}

template <typename Row>
Status insert(Database& database, const Row& row, std::string_view there_is_one) {
  return database.write([&](SqliteConnection& connection) -> Status {
    DM_ASSIGN(const std::size_t changed, insert_only(connection, row), "");
    if (changed == 0) {
      return fail(ErrorKind::kConflict, std::string(there_is_one));
    }
    return {};
  });
}

template <typename Row>
Status replace(Database& database, const Row& row) {
  return database.write([&](SqliteConnection& connection) -> Status {
    DM_TRY(put(connection, row), "");
    return {};
  });
}

}  // namespace

Status IdentityStore::put_account(const AccountRow& row) { return replace(database_, row); }

Status IdentityStore::insert_account(const AccountRow& row) {
  return insert(database_, row, "there is such an account");
}

Result<std::optional<AccountRow>> IdentityStore::account(std::string_view id) const {
  return database_.read(
      [&](SqliteConnection& connection) { return find_one<AccountRow>(connection, "WHERE id = ?", id); });
}

Result<RowPage<AccountRow>> IdentityStore::list_accounts(const PageRequest& page) const {
  return database_.read([&](SqliteConnection& connection) { return find_page<AccountRow>(connection, "1 = 1", page); });
}

Result<std::vector<AccountRow>> IdentityStore::all_accounts() const {
  return database_.read([&](SqliteConnection& connection) { return find_all<AccountRow>(connection, ""); });
}

Result<IdentityStore::Counts> IdentityStore::resources(std::string_view account) const {
  return database_.read([&](SqliteConnection& connection) { return count(connection, account); });
}

Status IdentityStore::remove_account(std::string_view id) {
  return database_.write([&](SqliteConnection& connection) -> Status {
    DM_ASSIGN(const Counts counts, count(connection, id), "");
    if (!counts.empty()) {
      return fail(ErrorKind::kConflict, fmt::format("account {} has {}", id, counts.begin()->first));
    }
    for (const char* sql : {"DELETE FROM microvms WHERE account = ?",
                            "DELETE FROM connectors WHERE account = ?",
                            "DELETE FROM tokens WHERE account = ?",
                            "DELETE FROM access_keys WHERE account = ?",
                            "DELETE FROM accounts WHERE id = ?"}) {
      DM_TRY(run(connection, sql, id), "remove an account");
    }
    return {};
  });
}

Status IdentityStore::insert_key(const AccessKeyRow& row) { return insert(database_, row, "there is such a key"); }

Status IdentityStore::set_key_expiry(std::string_view access_key, WallTime expires_at) {
  return database_.write([&](SqliteConnection& connection) -> Status {
    DM_TRY(run(connection, "UPDATE access_keys SET expires_at = ? WHERE access_key = ?", expires_at, access_key), "");
    return {};
  });
}

Result<std::optional<AccessKeyRow>> IdentityStore::key(std::string_view access_key) const {
  return database_.read([&](SqliteConnection& connection) {
    return find_one<AccessKeyRow>(connection, "WHERE access_key = ?", access_key);
  });
}

Result<std::vector<AccessKeyRow>> IdentityStore::keys_of(std::string_view account) const {
  return database_.read([&](SqliteConnection& connection) {
    return find_all<AccessKeyRow>(connection, "WHERE account = ? ORDER BY created_at, access_key", account);
  });
}

Result<std::size_t> IdentityStore::remove_key(std::string_view account, std::string_view access_key) {
  return database_.write([&](SqliteConnection& connection) {
    return run(connection, "DELETE FROM access_keys WHERE account = ? AND access_key = ?", account, access_key);
  });
}

Status IdentityStore::insert_role(const RoleRow& row) { return insert(database_, row, "there is such a role"); }

Status IdentityStore::put_role(const RoleRow& row) { return replace(database_, row); }

Result<std::optional<RoleRow>> IdentityStore::role(std::string_view account, std::string_view name) const {
  return database_.read([&](SqliteConnection& connection) {
    return find_one<RoleRow>(connection, "WHERE account = ? AND name = ?", account, name);
  });
}

Result<std::vector<RoleRow>> IdentityStore::list_roles(std::string_view account,
                                                       std::string_view after,
                                                       std::size_t limit) const {
  return database_.read([&](SqliteConnection& connection) {
    return find_all<RoleRow>(connection, "WHERE account = ? AND name > ? ORDER BY name LIMIT ?", account, after, limit);
  });
}

Result<std::size_t> IdentityStore::remove_role(std::string_view account, std::string_view name) {
  return database_.write([&](SqliteConnection& connection) {
    return run(connection, "DELETE FROM roles WHERE account = ? AND name = ?", account, name);
  });
}

}  // namespace dormouse::store
