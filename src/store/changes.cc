// SPDX-License-Identifier: Apache-2.0

#include "store/changes.h"

#include <fmt/core.h>

#include "store/table.h"

namespace dormouse::store {

namespace {

Status check_image_in(SqliteConnection& connection, const Changes::ImageIn& condition) {
  DM_ASSIGN(const auto image, find_one<ImageRow>(connection, "WHERE arn = ?", condition.arn), "");
  if (!image) {
    return fail(ErrorKind::kConflict, fmt::format("image {} is gone", condition.arn));
  }
  for (const std::string& allowed : condition.states) {
    if (image->state == allowed) {
      return {};
    }
  }
  return fail(ErrorKind::kConflict, fmt::format("image {} is {}", condition.arn, image->state));
}

Status check_image_unused(SqliteConnection& connection, const std::string& arn) {
  DM_ASSIGN(
      const auto microvm, find_one<MicrovmRow>(connection, "WHERE image_arn = ? AND terminated = 0 LIMIT 1", arn), "");
  if (microvm) {
    return fail(ErrorKind::kConflict, fmt::format("image {} is used by {}", arn, microvm->microvm_id));
  }
  return {};
}

Status check_version_active(SqliteConnection& connection, const VersionKey& key) {
  DM_ASSIGN(const auto version,
            find_one<VersionRow>(connection, "WHERE image_arn = ? AND version = ?", key.image_arn, key.version),
            "");
  if (!version) {
    return fail(ErrorKind::kConflict, fmt::format("version {} of {} is gone", key.version, key.image_arn));
  }
  if (version->state != "SUCCESSFUL" || version->status != "ACTIVE") {
    return fail(
        ErrorKind::kConflict,
        fmt::format("version {} of {} is {} and {}", key.version, key.image_arn, version->state, version->status));
  }
  return {};
}

Status check_version_unused(SqliteConnection& connection, const VersionKey& key) {
  DM_ASSIGN(const auto microvm,
            find_one<MicrovmRow>(connection,
                                 "WHERE image_arn = ? AND image_version = ? AND terminated = 0 LIMIT 1",
                                 key.image_arn,
                                 key.version),
            "");
  if (microvm) {
    return fail(ErrorKind::kConflict,
                fmt::format("version {} of {} is used by {}", key.version, key.image_arn, microvm->microvm_id));
  }
  return {};
}

Status check_conditions(SqliteConnection& connection, const Changes& changes) {
  if (changes.image_in) {
    DM_TRY(check_image_in(connection, *changes.image_in), "");
  }
  if (changes.image_unused) {
    DM_TRY(check_image_unused(connection, *changes.image_unused), "");
  }
  if (changes.version_active) {
    DM_TRY(check_version_active(connection, *changes.version_active), "");
  }
  if (changes.version_unused) {
    DM_TRY(check_version_unused(connection, *changes.version_unused), "");
  }
  return {};
}

Status remove_version(SqliteConnection& connection, const VersionKey& key) {
  for (const char* sql : {"DELETE FROM builds WHERE image_arn = ? AND version = ?",
                          "DELETE FROM versions WHERE image_arn = ? AND version = ?"}) {
    DM_TRY(run(connection, sql, key.image_arn, key.version), "remove a version");
  }
  DM_TRY(run(connection, "DELETE FROM tokens WHERE resource = ?", version_resource(key.image_arn, key.version)),
         "remove a version");
  return {};
}

Status remove_image(SqliteConnection& connection, const std::string& arn) {
  for (const char* sql : {"DELETE FROM tokens WHERE resource = ?",
                          "DELETE FROM tokens WHERE resource IN "
                          "(SELECT image_arn || ' ' || version FROM versions WHERE image_arn = ?)",
                          "DELETE FROM builds WHERE image_arn = ?",
                          "DELETE FROM versions WHERE image_arn = ?",
                          "DELETE FROM images WHERE arn = ?"}) {
    DM_TRY(run(connection, sql, arn), "remove an image");
  }
  return {};
}

template <typename Row>
Status put_all(SqliteConnection& connection, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    DM_TRY(put(connection, row), "");
  }
  return {};
}

}  // namespace

Status apply_changes(SqliteConnection& connection, const Changes& changes) {
  DM_TRY(check_conditions(connection, changes), "");
  for (const VersionKey& key : changes.remove_versions) {
    DM_TRY(remove_version(connection, key), "");
  }
  for (const std::string& arn : changes.remove_images) {
    DM_TRY(remove_image(connection, arn), "");
  }
  DM_TRY(put_all(connection, changes.images), "");
  DM_TRY(put_all(connection, changes.versions), "");
  DM_TRY(put_all(connection, changes.builds), "");
  DM_TRY(put_all(connection, changes.connectors), "");
  for (const ConnectorRow& connector : changes.connectors) {
    if (connector.deleted_at) {
      DM_TRY(run(connection, "DELETE FROM tokens WHERE resource = ?", connector.id), "");
    }
  }
  DM_TRY(put_all(connection, changes.microvms), "");
  for (const TokenRow& token : changes.tokens) {
    DM_ASSIGN(const std::size_t changed, put(connection, token), "");
    if (changed == 0) {
      return fail(ErrorKind::kConflict, "the client token is in use");
    }
  }
  return {};
}

}  // namespace dormouse::store
