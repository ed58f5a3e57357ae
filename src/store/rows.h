// SPDX-License-Identifier: Apache-2.0
//
// What the metadata store keeps: one row a resource. Columns hold what is searched, sorted or compared; everything else is
// in `document`, a JSON object that the store does not read. States are the wire's spellings.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace dormouse::store {

struct ImageRow {
  std::string account;
  std::string id;    // UUID
  std::string arn;   // unique
  std::string name;  // unique in its account
  std::string state;
  WallTime created_at;  // microseconds are kept, here and in all rows
  std::string document;
};

struct VersionRow {
  std::string image_arn;
  std::string version;       // "2.0"; unique in its image
  std::int64_t ordinal = 0;  // grows with the version: what listings sort by
  std::string account;
  std::string state;
  std::string status;
  WallTime created_at;
  std::string document;
};

struct VersionKey {
  std::string image_arn;
  std::string version;
};

struct BuildRow {
  std::string build_id;  // UUID, unique
  std::string account;
  std::string image_arn;
  std::string version;
  std::string state;
  WallTime created_at;
  std::string document;
};

struct ConnectorRow {
  std::string id;  // "nc-<uuid>", unique
  std::string account;
  std::string name;  // unique in its account among those that are not deleted
  std::string arn;
  std::string state;
  WallTime created_at;
  std::optional<WallTime> deleted_at;
  std::string document;
};

struct MicrovmRow {
  std::string microvm_id;  // unique
  std::string account;
  std::string endpoint_id;  // unique
  std::string image_arn;
  std::string image_version;
  std::string state;
  bool terminated = false;
  WallTime created_at;
  std::optional<WallTime> terminated_at;
  std::string document;
};

// The answer that a client's token stands for. It goes with its resource, or when it expires.
struct TokenRow {
  std::string account;
  std::string operation;  // "CreateMicrovmImage"; with account and token unique
  std::string token;
  std::string digest;    // of the request's content
  std::string resource;  // microvm id, connector id, image ARN, or version_resource() for a later version of one
  std::string document;  // the answer
  WallTime created_at;
  WallTime expires_at;
};

// What a token for a version of an image names as its resource.
inline std::string version_resource(const std::string& image_arn, const std::string& version) {
  return image_arn + ' ' + version;
}

struct AccountRow {
  std::string id;  // 12 digits, unique
  WallTime created_at;
  std::string document;
};

struct AccessKeyRow {
  std::string access_key;  // "AKIA...", unique
  std::string account;
  std::string secret;
  WallTime created_at;
  std::optional<WallTime> expires_at;
};

struct RoleRow {
  std::string account;
  std::string name;     // unique in its account, whatever the case of its letters
  std::string role_id;  // "AROA..."; not that of an earlier role of the same name
  WallTime created_at;
  std::string document;
};

// Where a page of a listing begins: after the row with this key. Listings are newest first.
struct PageRequest {
  std::size_t limit = 50;
  std::optional<std::string> after;  // RowPage::next of the page before
};

template <typename Row>
struct RowPage {
  std::vector<Row> rows;
  std::optional<std::string> next;  // nothing at the end
};

}  // namespace dormouse::store
