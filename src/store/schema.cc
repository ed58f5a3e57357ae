// SPDX-License-Identifier: Apache-2.0

#include "store/schema.h"

#include <array>
#include <cstddef>

#include <fmt/core.h>

#include "store/sqlite.h"

namespace dormouse::store {

namespace {

// One entry a version, the first makes version 1 from nothing. Released entries are never edited. Times are microseconds
// since 1970, UTC. Every index serves one query of a store.
constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE images (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  arn TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (account, name)
);
CREATE INDEX images_by_account ON images (account, created_at, id);
CREATE INDEX images_by_state ON images (state);

CREATE TABLE versions (
  image_arn TEXT NOT NULL,
  version TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  account TEXT NOT NULL,
  state TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (image_arn, version),
  UNIQUE (image_arn, ordinal)
);

CREATE TABLE builds (
  build_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  image_arn TEXT NOT NULL,
  version TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX builds_by_version ON builds (image_arn, version, created_at, build_id);
CREATE INDEX builds_by_state ON builds (state);

CREATE TABLE microvms (
  microvm_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  endpoint_id TEXT NOT NULL UNIQUE,
  image_arn TEXT NOT NULL,
  image_version TEXT NOT NULL,
  state TEXT NOT NULL,
  terminated BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  terminated_at BIGINT,
  document TEXT NOT NULL
);
CREATE INDEX microvms_by_account ON microvms (account, created_at, microvm_id);
CREATE INDEX microvms_by_image ON microvms (account, image_arn, created_at, microvm_id);
CREATE INDEX microvms_by_version ON microvms (account, image_arn, image_version, created_at, microvm_id);
CREATE INDEX microvms_live ON microvms (image_arn) WHERE terminated = 0;
CREATE INDEX microvms_ended ON microvms (terminated_at) WHERE terminated = 1;

CREATE TABLE tokens (
  account TEXT NOT NULL,
  operation TEXT NOT NULL,
  token TEXT NOT NULL,
  digest TEXT NOT NULL,
  resource TEXT NOT NULL,
  document TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (account, operation, token)
);
CREATE INDEX tokens_by_resource ON tokens (resource);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
)sql",
    R"sql(
CREATE INDEX microvms_live_by_version ON microvms (image_arn, image_version) WHERE terminated = 0;
DROP INDEX microvms_live;
)sql",
    R"sql(
CREATE TABLE connectors (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  arn TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  deleted_at BIGINT,
  document TEXT NOT NULL
);
CREATE UNIQUE INDEX connectors_by_name ON connectors (account, name) WHERE deleted_at IS NULL;
CREATE INDEX connectors_by_account ON connectors (account, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX connectors_by_state ON connectors (state) WHERE deleted_at IS NULL;
CREATE INDEX connectors_deleted ON connectors (deleted_at) WHERE deleted_at IS NOT NULL;
)sql",
    R"sql(
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX accounts_by_time ON accounts (created_at, id);
CREATE TABLE access_keys (
  access_key TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  secret TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT
);
CREATE INDEX access_keys_by_account ON access_keys (account, created_at, access_key);
CREATE TABLE roles (
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  role_id TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (account, name)
);
CREATE UNIQUE INDEX roles_by_letters ON roles (account, lower(name));
CREATE INDEX connectors_of_account ON connectors (account);
)sql",
};

Result<int> current_version(SqliteConnection& connection) {
  DM_TRY(connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"), "");
  DM_ASSIGN(auto statement, connection.prepare("SELECT coalesce(max(version), 0) FROM schema_version"), "");
  DM_TRY(statement.step(), "");
  return static_cast<int>(statement.number());
}

}  // namespace

int schema_version() { return static_cast<int>(kMigrations.size()); }

Status migrate(SqliteConnection& connection) {
  DM_ASSIGN(const int found, current_version(connection), "read the schema version");
  if (found > schema_version()) {
    return fail(ErrorKind::kConflict,
                fmt::format("the database has schema version {}, this program knows {} at most: use the newer program, "
                            "or another data directory",
                            found,
                            schema_version()));
  }
  for (int version = found + 1; version <= schema_version(); ++version) {
    const auto context = fmt::format("migrate to schema version {}", version);
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(connection), context);
    DM_TRY(connection.execute(kMigrations[static_cast<std::size_t>(version - 1)]), context);
    DM_ASSIGN(auto insert, connection.prepare("INSERT INTO schema_version (version) VALUES (?)"), context);
    DM_TRY(insert.bind(static_cast<std::int64_t>(version)).run(), context);
    DM_TRY(transaction.commit(), context);
  }
  return {};
}

}  // namespace dormouse::store
