// SPDX-License-Identifier: Apache-2.0
//
// Private to artifacts/: the tables of index.sqlite and how their columns hold values.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "artifacts/object_store.h"
#include "store/sqlite.h"

namespace dormouse::artifacts {

// blob: the file in Blobs. headers: "name:value\n" of each, which field values cannot contain. checksum: "" for none, else
// "CRC32 full <base64>" or "CRC32 composite <base64>-3". Times are milliseconds since the epoch.
inline constexpr const char* kSchema = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS buckets (
  account TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  account TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
  blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
  headers TEXT NOT NULL, checksum TEXT NOT NULL,
  PRIMARY KEY (account, bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
  started INTEGER NOT NULL, headers TEXT NOT NULL, algorithm TEXT NOT NULL, full_object INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (account, bucket, key, id);
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL,
  blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, checksum TEXT NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;
PRAGMA user_version = 1;
)";

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string to_column(const Fields& headers);
std::string to_column(const std::optional<StoredChecksum>& checksum);
std::int64_t to_column(WallTime time);
Fields fields_from_column(std::string_view text);
std::optional<StoredChecksum> checksum_from_column(std::string_view text);
WallTime time_from_column(std::int64_t milliseconds);

}  // namespace dormouse::artifacts
