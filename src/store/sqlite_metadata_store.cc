// SPDX-License-Identifier: Apache-2.0

#include "store/sqlite_metadata_store.h"

#include <charconv>
#include <chrono>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "store/schema.h"
#include "store/sqlite.h"

namespace dormouse::store {

namespace {

std::int64_t to_number(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}
WallTime to_time(std::int64_t microseconds) { return WallTime(std::chrono::microseconds(microseconds)); }

std::optional<std::int64_t> to_number(const std::optional<WallTime>& time) {
  return time ? std::optional(to_number(*time)) : std::nullopt;
}

// The position of a row in a listing by time: "<microseconds>:<id>".
struct TimePosition {
  std::int64_t created_at = std::numeric_limits<std::int64_t>::max();  // before the newest
  std::string id;

  static std::string format(WallTime created_at, const std::string& id) {
    return fmt::format("{}:{}", to_number(created_at), id);
  }
  static Result<TimePosition> parse(const std::optional<std::string>& text) {
    TimePosition position;
    if (!text) {
      return position;
    }
    const char* const end = text->data() + text->size();
    const auto [rest, error] = std::from_chars(text->data(), end, position.created_at);
    if (error != std::errc() || rest == end || *rest != ':') {
      return fail(ErrorKind::kInvalidArgument, fmt::format("page position '{}': not one of this listing", *text));
    }
    position.id.assign(rest + 1, end);
    return position;
  }
};

// One row more than the page holds is asked for, to know whether there is a next page.
std::int64_t rows_wanted(const PageRequest& page) { return static_cast<std::int64_t>(page.limit) + 1; }

template <typename Row, typename Read, typename Position>
Result<RowPage<Row>> read_page(SqliteStatement& statement, const PageRequest& page, Read read, Position position) {
  RowPage<Row> result;
  for (;;) {
    DM_ASSIGN(const bool found, statement.step(), "");
    if (!found) {
      return result;
    }
    if (result.rows.size() == page.limit) {
      if (!result.rows.empty()) {
        result.next = position(result.rows.back());
      }
      return result;
    }
    result.rows.push_back(read(statement));
  }
}

template <typename Row, typename Read>
Result<std::vector<Row>> read_all(SqliteStatement& statement, Read read) {
  std::vector<Row> rows;
  for (;;) {
    DM_ASSIGN(const bool found, statement.step(), "");
    if (!found) {
      return rows;
    }
    rows.push_back(read(statement));
  }
}

template <typename Row, typename Read>
Result<std::optional<Row>> read_one(SqliteStatement& statement, Read read) {
  DM_ASSIGN(const bool found, statement.step(), "");
  return found ? std::optional<Row>(read(statement)) : std::nullopt;
}

#define DM_IMAGE_COLUMNS "id, account, arn, name, state, created_at, document"
ImageRow read_image(SqliteStatement& statement) {
  ImageRow row;
  row.id = statement.text();
  row.account = statement.text();
  row.arn = statement.text();
  row.name = statement.text();
  row.state = statement.text();
  row.created_at = to_time(statement.number());
  row.document = statement.text();
  return row;
}

#define DM_VERSION_COLUMNS "image_arn, version, ordinal, account, state, status, created_at, document"
VersionRow read_version(SqliteStatement& statement) {
  VersionRow row;
  row.image_arn = statement.text();
  row.version = statement.text();
  row.ordinal = statement.number();
  row.account = statement.text();
  row.state = statement.text();
  row.status = statement.text();
  row.created_at = to_time(statement.number());
  row.document = statement.text();
  return row;
}

#define DM_BUILD_COLUMNS "build_id, account, image_arn, version, state, created_at, document"
BuildRow read_build(SqliteStatement& statement) {
  BuildRow row;
  row.build_id = statement.text();
  row.account = statement.text();
  row.image_arn = statement.text();
  row.version = statement.text();
  row.state = statement.text();
  row.created_at = to_time(statement.number());
  row.document = statement.text();
  return row;
}

#define DM_CONNECTOR_COLUMNS "id, account, name, arn, state, created_at, deleted_at, document"
ConnectorRow read_connector(SqliteStatement& statement) {
  ConnectorRow row;
  row.id = statement.text();
  row.account = statement.text();
  row.name = statement.text();
  row.arn = statement.text();
  row.state = statement.text();
  row.created_at = to_time(statement.number());
  if (const auto deleted_at = statement.optional_number()) {
    row.deleted_at = to_time(*deleted_at);
  }
  row.document = statement.text();
  return row;
}

#define DM_MICROVM_COLUMNS \
  "microvm_id, account, endpoint_id, image_arn, image_version, state, terminated, created_at, terminated_at, document"
MicrovmRow read_microvm(SqliteStatement& statement) {
  MicrovmRow row;
  row.microvm_id = statement.text();
  row.account = statement.text();
  row.endpoint_id = statement.text();
  row.image_arn = statement.text();
  row.image_version = statement.text();
  row.state = statement.text();
  row.terminated = statement.number() != 0;
  row.created_at = to_time(statement.number());
  if (const auto terminated_at = statement.optional_number()) {
    row.terminated_at = to_time(*terminated_at);
  }
  row.document = statement.text();
  return row;
}

#define DM_TOKEN_COLUMNS "account, operation, token, digest, resource, document, created_at, expires_at"
TokenRow read_token(SqliteStatement& statement) {
  TokenRow row;
  row.account = statement.text();
  row.operation = statement.text();
  row.token = statement.text();
  row.digest = statement.text();
  row.resource = statement.text();
  row.document = statement.text();
  row.created_at = to_time(statement.number());
  row.expires_at = to_time(statement.number());
  return row;
}

// ---- writing: all of it inside the transaction of apply() ----

Status check_image_in(SqliteConnection& connection, const Changes::ImageIn& condition) {
  DM_ASSIGN(auto statement, connection.prepare("SELECT state FROM images WHERE arn = ?"), "");
  DM_ASSIGN(const bool found, statement.bind(condition.arn).step(), "");
  if (!found) {
    return fail(ErrorKind::kConflict, fmt::format("image {} is gone", condition.arn));
  }
  const std::string state = statement.text();
  for (const std::string& allowed : condition.states) {
    if (state == allowed) {
      return {};
    }
  }
  return fail(ErrorKind::kConflict, fmt::format("image {} is {}", condition.arn, state));
}

Status check_image_unused(SqliteConnection& connection, const std::string& arn) {
  DM_ASSIGN(auto statement,
            connection.prepare("SELECT microvm_id FROM microvms WHERE image_arn = ? AND terminated = 0 LIMIT 1"),
            "");
  DM_ASSIGN(const bool found, statement.bind(arn).step(), "");
  if (found) {
    return fail(ErrorKind::kConflict, fmt::format("image {} is used by {}", arn, statement.text()));
  }
  return {};
}

Status check_version_active(SqliteConnection& connection, const VersionKey& key) {
  DM_ASSIGN(
      auto statement, connection.prepare("SELECT state, status FROM versions WHERE image_arn = ? AND version = ?"), "");
  DM_ASSIGN(const bool found, statement.bind(key.image_arn).bind(key.version).step(), "");
  if (!found) {
    return fail(ErrorKind::kConflict, fmt::format("version {} of {} is gone", key.version, key.image_arn));
  }
  const std::string state = statement.text();
  const std::string status = statement.text();
  if (state != "SUCCESSFUL" || status != "ACTIVE") {
    return fail(ErrorKind::kConflict,
                fmt::format("version {} of {} is {} and {}", key.version, key.image_arn, state, status));
  }
  return {};
}

Status check_version_unused(SqliteConnection& connection, const VersionKey& key) {
  DM_ASSIGN(auto statement,
            connection.prepare("SELECT microvm_id FROM microvms WHERE image_arn = ? AND image_version = ? "
                               "AND terminated = 0 LIMIT 1"),
            "");
  DM_ASSIGN(const bool found, statement.bind(key.image_arn).bind(key.version).step(), "");
  if (found) {
    return fail(ErrorKind::kConflict,
                fmt::format("version {} of {} is used by {}", key.version, key.image_arn, statement.text()));
  }
  return {};
}

Status remove_version(SqliteConnection& connection, const VersionKey& key) {
  for (const char* sql : {"DELETE FROM builds WHERE image_arn = ? AND version = ?",
                          "DELETE FROM versions WHERE image_arn = ? AND version = ?"}) {
    DM_ASSIGN(auto statement, connection.prepare(sql), "");
    DM_TRY(statement.bind(key.image_arn).bind(key.version).run(), "");
  }
  DM_ASSIGN(auto statement, connection.prepare("DELETE FROM tokens WHERE resource = ?"), "");
  return statement.bind(version_resource(key.image_arn, key.version)).run();
}

Status remove_image(SqliteConnection& connection, const std::string& arn) {
  for (const char* sql : {"DELETE FROM tokens WHERE resource = ?",  // as an older program named it
                          "DELETE FROM tokens WHERE resource IN "
                          "(SELECT image_arn || ' ' || version FROM versions WHERE image_arn = ?)",
                          "DELETE FROM builds WHERE image_arn = ?",
                          "DELETE FROM versions WHERE image_arn = ?",
                          "DELETE FROM images WHERE arn = ?"}) {
    DM_ASSIGN(auto statement, connection.prepare(sql), "");
    DM_TRY(statement.bind(arn).run(), "");
  }
  return {};
}

Status put_image(SqliteConnection& connection, const ImageRow& row) {
  DM_ASSIGN(auto statement,
            connection.prepare("INSERT INTO images (" DM_IMAGE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?) "
                               "ON CONFLICT (id) DO UPDATE SET state = excluded.state, document = excluded.document"),
            "");
  statement.bind(row.id).bind(row.account).bind(row.arn).bind(row.name).bind(row.state);
  return statement.bind(to_number(row.created_at)).bind(row.document).run();
}

Status put_version(SqliteConnection& connection, const VersionRow& row) {
  DM_ASSIGN(auto statement,
            connection.prepare("INSERT INTO versions (" DM_VERSION_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                               "ON CONFLICT (image_arn, version) DO UPDATE SET state = excluded.state, "
                               "status = excluded.status, document = excluded.document"),
            "");
  statement.bind(row.image_arn).bind(row.version).bind(row.ordinal).bind(row.account).bind(row.state).bind(row.status);
  return statement.bind(to_number(row.created_at)).bind(row.document).run();
}

Status put_build(SqliteConnection& connection, const BuildRow& row) {
  DM_ASSIGN(
      auto statement,
      connection.prepare("INSERT INTO builds (" DM_BUILD_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT (build_id) DO UPDATE SET state = excluded.state, document = excluded.document"),
      "");
  statement.bind(row.build_id).bind(row.account).bind(row.image_arn).bind(row.version).bind(row.state);
  return statement.bind(to_number(row.created_at)).bind(row.document).run();
}

Status put_connector(SqliteConnection& connection, const ConnectorRow& row) {
  DM_ASSIGN(auto statement,
            connection.prepare("INSERT INTO connectors (" DM_CONNECTOR_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                               "ON CONFLICT (id) DO UPDATE SET state = excluded.state, "
                               "deleted_at = excluded.deleted_at, document = excluded.document"),
            "");
  statement.bind(row.id).bind(row.account).bind(row.name).bind(row.arn).bind(row.state);
  DM_TRY(statement.bind(to_number(row.created_at)).bind(to_number(row.deleted_at)).bind(row.document).run(), "");
  if (!row.deleted_at) {
    return {};
  }
  DM_ASSIGN(auto tokens, connection.prepare("DELETE FROM tokens WHERE resource = ?"), "");
  return tokens.bind(row.id).run();
}

Status put_microvm(SqliteConnection& connection, const MicrovmRow& row) {
  DM_ASSIGN(auto statement,
            connection.prepare("INSERT INTO microvms (" DM_MICROVM_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                               "ON CONFLICT (microvm_id) DO UPDATE SET state = excluded.state, "
                               "terminated = excluded.terminated, terminated_at = excluded.terminated_at, "
                               "document = excluded.document"),
            "");
  statement.bind(row.microvm_id).bind(row.account).bind(row.endpoint_id).bind(row.image_arn).bind(row.image_version);
  statement.bind(row.state).bind(std::int64_t{row.terminated ? 1 : 0}).bind(to_number(row.created_at));
  return statement.bind(to_number(row.terminated_at)).bind(row.document).run();
}

Status insert_token(SqliteConnection& connection, const TokenRow& row) {
  DM_ASSIGN(auto statement,
            connection.prepare("INSERT INTO tokens (" DM_TOKEN_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                               "ON CONFLICT (account, operation, token) DO UPDATE SET digest = excluded.digest, "
                               "resource = excluded.resource, document = excluded.document, "
                               "created_at = excluded.created_at, expires_at = excluded.expires_at "
                               "WHERE tokens.expires_at <= excluded.created_at"),
            "");
  statement.bind(row.account).bind(row.operation).bind(row.token).bind(row.digest).bind(row.resource);
  DM_TRY(statement.bind(row.document).bind(to_number(row.created_at)).bind(to_number(row.expires_at)).run(), "");
  if (connection.changes() == 0) {
    return fail(ErrorKind::kConflict, "the client token is in use");
  }
  return {};
}

template <typename Row>
Status put_all(SqliteConnection& connection,
               const std::vector<Row>& rows,
               Status (*put)(SqliteConnection&, const Row&),
               const char* what) {
  for (const Row& row : rows) {
    DM_TRY(put(connection, row), what);
  }
  return {};
}

// Invariant: writes go through writer_, reads through reader_, each under its lock, so that a read never waits for a sync.
class SqliteMetadataStore final : public MetadataStore {
 public:
  SqliteMetadataStore(std::unique_ptr<SqliteConnection> writer, std::unique_ptr<SqliteConnection> reader)
      : writer_(std::move(writer)), reader_(std::move(reader)) {}

  Status apply(const Changes& changes) override;

  Result<std::optional<ImageRow>> image_by_arn(std::string_view arn) const override;
  Result<std::optional<ImageRow>> image_by_name(std::string_view account, std::string_view name) const override;
  Result<RowPage<ImageRow>> list_images(std::string_view account, const PageRequest& page) const override;
  Result<std::vector<ImageRow>> images_in_state(std::string_view state, std::size_t limit) const override;
  Result<std::optional<VersionRow>> version(std::string_view image_arn, std::string_view version) const override;
  Result<RowPage<VersionRow>> list_versions(std::string_view image_arn, const PageRequest& page) const override;
  Result<std::optional<BuildRow>> build(std::string_view build_id) const override;
  Result<RowPage<BuildRow>> list_builds(std::string_view image_arn,
                                        std::string_view version,
                                        const PageRequest& page) const override;
  Result<std::vector<BuildRow>> builds_in_state(std::string_view state, std::size_t limit) const override;
  Result<std::optional<ConnectorRow>> connector(std::string_view id) const override;
  Result<std::optional<ConnectorRow>> connector_by_name(std::string_view account, std::string_view name) const override;
  Result<RowPage<ConnectorRow>> list_connectors(std::string_view account, const PageRequest& page) const override;
  Result<std::vector<ConnectorRow>> connectors_in_state(std::string_view state, std::size_t limit) const override;
  Result<std::size_t> remove_connectors_deleted_before(WallTime when, std::size_t limit) override;
  Result<std::optional<MicrovmRow>> microvm(std::string_view microvm_id) const override;
  Result<std::optional<MicrovmRow>> microvm_by_endpoint(std::string_view endpoint_id) const override;
  Result<RowPage<MicrovmRow>> list_microvms(std::string_view account,
                                            const MicrovmFilter& filter,
                                            const PageRequest& page) const override;
  Result<std::vector<MicrovmRow>> live_microvms() const override;
  Result<std::size_t> remove_terminated_before(WallTime when, std::size_t limit) override;
  Result<std::optional<TokenRow>> token(std::string_view account,
                                        std::string_view operation,
                                        std::string_view token,
                                        WallTime now) const override;
  Result<std::size_t> remove_tokens_expired_before(WallTime when, std::size_t limit) override;

 private:
  Status apply_in_transaction(const Changes& changes);

  mutable std::mutex writer_mutex_;
  const std::unique_ptr<SqliteConnection> writer_;  // used under writer_mutex_
  mutable std::mutex reader_mutex_;
  const std::unique_ptr<SqliteConnection> reader_;  // used under reader_mutex_
};

Status SqliteMetadataStore::apply(const Changes& changes) {
  const std::lock_guard lock(writer_mutex_);
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "write metadata");
  DM_TRY(apply_in_transaction(changes), "write metadata");
  return transaction.commit();
}

Status SqliteMetadataStore::apply_in_transaction(const Changes& changes) {
  if (changes.image_in) {
    DM_TRY(check_image_in(*writer_, *changes.image_in), "");
  }
  if (changes.image_unused) {
    DM_TRY(check_image_unused(*writer_, *changes.image_unused), "");
  }
  if (changes.version_active) {
    DM_TRY(check_version_active(*writer_, *changes.version_active), "");
  }
  if (changes.version_unused) {
    DM_TRY(check_version_unused(*writer_, *changes.version_unused), "");
  }
  for (const VersionKey& key : changes.remove_versions) {
    DM_TRY(remove_version(*writer_, key), "remove a version");
  }
  for (const std::string& arn : changes.remove_images) {
    DM_TRY(remove_image(*writer_, arn), "remove an image");
  }
  DM_TRY(put_all(*writer_, changes.images, put_image, "put an image"), "");
  DM_TRY(put_all(*writer_, changes.versions, put_version, "put a version"), "");
  DM_TRY(put_all(*writer_, changes.builds, put_build, "put a build"), "");
  DM_TRY(put_all(*writer_, changes.connectors, put_connector, "put a connector"), "");
  DM_TRY(put_all(*writer_, changes.microvms, put_microvm, "put a microvm"), "");
  return put_all(*writer_, changes.tokens, insert_token, "put a token");
}

Result<std::optional<ImageRow>> SqliteMetadataStore::image_by_arn(std::string_view arn) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement, reader_->prepare("SELECT " DM_IMAGE_COLUMNS " FROM images WHERE arn = ?"), "read an image");
  return read_one<ImageRow>(statement.bind(arn), read_image);
}

Result<std::optional<ImageRow>> SqliteMetadataStore::image_by_name(std::string_view account,
                                                                   std::string_view name) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_IMAGE_COLUMNS " FROM images WHERE account = ? AND name = ?"),
            "read an image");
  return read_one<ImageRow>(statement.bind(account).bind(name), read_image);
}

Result<RowPage<ImageRow>> SqliteMetadataStore::list_images(std::string_view account, const PageRequest& page) const {
  DM_ASSIGN(const auto after, TimePosition::parse(page.after), "");
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_IMAGE_COLUMNS " FROM images WHERE account = ? AND (created_at, id) < (?, ?) "
                             "ORDER BY created_at DESC, id DESC LIMIT ?"),
            "list images");
  statement.bind(account).bind(after.created_at).bind(after.id).bind(rows_wanted(page));
  return read_page<ImageRow>(
      statement, page, read_image, [](const ImageRow& row) { return TimePosition::format(row.created_at, row.id); });
}

Result<std::vector<ImageRow>> SqliteMetadataStore::images_in_state(std::string_view state, std::size_t limit) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_IMAGE_COLUMNS " FROM images WHERE state = ? LIMIT ?"),
            "list images");
  return read_all<ImageRow>(statement.bind(state).bind(static_cast<std::int64_t>(limit)), read_image);
}

Result<std::optional<VersionRow>> SqliteMetadataStore::version(std::string_view image_arn,
                                                               std::string_view version) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_VERSION_COLUMNS " FROM versions WHERE image_arn = ? AND version = ?"),
            "read a version");
  return read_one<VersionRow>(statement.bind(image_arn).bind(version), read_version);
}

Result<RowPage<VersionRow>> SqliteMetadataStore::list_versions(std::string_view image_arn,
                                                               const PageRequest& page) const {
  auto after = std::numeric_limits<std::int64_t>::max();
  if (page.after) {
    const char* const end = page.after->data() + page.after->size();
    const auto [rest, error] = std::from_chars(page.after->data(), end, after);
    if (error != std::errc() || rest != end) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("page position '{}': not one of this listing", *page.after));
    }
  }
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_VERSION_COLUMNS
                             " FROM versions WHERE image_arn = ? AND ordinal < ? ORDER BY ordinal DESC LIMIT ?"),
            "list versions");
  statement.bind(image_arn).bind(after).bind(rows_wanted(page));
  return read_page<VersionRow>(
      statement, page, read_version, [](const VersionRow& row) { return std::to_string(row.ordinal); });
}

Result<std::optional<BuildRow>> SqliteMetadataStore::build(std::string_view build_id) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(
      auto statement, reader_->prepare("SELECT " DM_BUILD_COLUMNS " FROM builds WHERE build_id = ?"), "read a build");
  return read_one<BuildRow>(statement.bind(build_id), read_build);
}

Result<RowPage<BuildRow>> SqliteMetadataStore::list_builds(std::string_view image_arn,
                                                           std::string_view version,
                                                           const PageRequest& page) const {
  DM_ASSIGN(const auto after, TimePosition::parse(page.after), "");
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_BUILD_COLUMNS
                             " FROM builds WHERE image_arn = ? AND version = ? AND (created_at, build_id) < (?, ?) "
                             "ORDER BY created_at DESC, build_id DESC LIMIT ?"),
            "list builds");
  statement.bind(image_arn).bind(version).bind(after.created_at).bind(after.id).bind(rows_wanted(page));
  return read_page<BuildRow>(statement, page, read_build, [](const BuildRow& row) {
    return TimePosition::format(row.created_at, row.build_id);
  });
}

Result<std::vector<BuildRow>> SqliteMetadataStore::builds_in_state(std::string_view state, std::size_t limit) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_BUILD_COLUMNS " FROM builds WHERE state = ? LIMIT ?"),
            "list builds");
  return read_all<BuildRow>(statement.bind(state).bind(static_cast<std::int64_t>(limit)), read_build);
}

Result<std::optional<ConnectorRow>> SqliteMetadataStore::connector(std::string_view id) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_CONNECTOR_COLUMNS " FROM connectors WHERE id = ?"),
            "read a connector");
  return read_one<ConnectorRow>(statement.bind(id), read_connector);
}

Result<std::optional<ConnectorRow>> SqliteMetadataStore::connector_by_name(std::string_view account,
                                                                           std::string_view name) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_CONNECTOR_COLUMNS
                             " FROM connectors WHERE account = ? AND name = ? AND deleted_at IS NULL"),
            "read a connector");
  return read_one<ConnectorRow>(statement.bind(account).bind(name), read_connector);
}

Result<RowPage<ConnectorRow>> SqliteMetadataStore::list_connectors(std::string_view account,
                                                                   const PageRequest& page) const {
  DM_ASSIGN(const auto after, TimePosition::parse(page.after), "");
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_CONNECTOR_COLUMNS
                             " FROM connectors WHERE account = ? AND deleted_at IS NULL AND (created_at, id) < (?, ?) "
                             "ORDER BY created_at DESC, id DESC LIMIT ?"),
            "list connectors");
  statement.bind(account).bind(after.created_at).bind(after.id).bind(rows_wanted(page));
  return read_page<ConnectorRow>(statement, page, read_connector, [](const ConnectorRow& row) {
    return TimePosition::format(row.created_at, row.id);
  });
}

Result<std::vector<ConnectorRow>> SqliteMetadataStore::connectors_in_state(std::string_view state,
                                                                           std::size_t limit) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_CONNECTOR_COLUMNS
                             " FROM connectors WHERE state = ? AND deleted_at IS NULL LIMIT ?"),
            "list connectors");
  return read_all<ConnectorRow>(statement.bind(state).bind(static_cast<std::int64_t>(limit)), read_connector);
}

Result<std::size_t> SqliteMetadataStore::remove_connectors_deleted_before(WallTime when, std::size_t limit) {
  const std::lock_guard lock(writer_mutex_);
  DM_ASSIGN(auto statement,
            writer_->prepare("DELETE FROM connectors WHERE id IN (SELECT id FROM connectors WHERE deleted_at IS NOT "
                             "NULL AND deleted_at < ? LIMIT ?)"),
            "remove connectors");
  DM_TRY(statement.bind(to_number(when)).bind(static_cast<std::int64_t>(limit)).run(), "remove connectors");
  return static_cast<std::size_t>(writer_->changes());
}

Result<std::optional<MicrovmRow>> SqliteMetadataStore::microvm(std::string_view microvm_id) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_MICROVM_COLUMNS " FROM microvms WHERE microvm_id = ?"),
            "read a microvm");
  return read_one<MicrovmRow>(statement.bind(microvm_id), read_microvm);
}

Result<std::optional<MicrovmRow>> SqliteMetadataStore::microvm_by_endpoint(std::string_view endpoint_id) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_MICROVM_COLUMNS " FROM microvms WHERE endpoint_id = ?"),
            "read a microvm");
  return read_one<MicrovmRow>(statement.bind(endpoint_id), read_microvm);
}

Result<RowPage<MicrovmRow>> SqliteMetadataStore::list_microvms(std::string_view account,
                                                               const MicrovmFilter& filter,
                                                               const PageRequest& page) const {
  DM_ASSIGN(const auto after, TimePosition::parse(page.after), "");
  // A version without an image is not an indexed question; the page is filtered after it was read, as the service does.
  const char* sql = "SELECT " DM_MICROVM_COLUMNS
                    " FROM microvms WHERE account = ? AND (created_at, microvm_id) < (?, ?) "
                    "ORDER BY created_at DESC, microvm_id DESC LIMIT ?";
  const bool by_version = filter.image_arn && filter.image_version;
  if (by_version) {
    sql = "SELECT " DM_MICROVM_COLUMNS
          " FROM microvms WHERE account = ? AND image_arn = ? AND image_version = ? "
          "AND (created_at, microvm_id) < (?, ?) ORDER BY created_at DESC, microvm_id DESC LIMIT ?";
  } else if (filter.image_arn) {
    sql = "SELECT " DM_MICROVM_COLUMNS
          " FROM microvms WHERE account = ? AND image_arn = ? AND (created_at, microvm_id) < (?, ?) "
          "ORDER BY created_at DESC, microvm_id DESC LIMIT ?";
  }
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement, reader_->prepare(sql), "list microvms");
  statement.bind(account);
  if (filter.image_arn) {
    statement.bind(*filter.image_arn);
  }
  if (by_version) {
    statement.bind(*filter.image_version);
  }
  statement.bind(after.created_at).bind(after.id).bind(rows_wanted(page));
  auto result = read_page<MicrovmRow>(statement, page, read_microvm, [](const MicrovmRow& row) {
    return TimePosition::format(row.created_at, row.microvm_id);
  });
  if (result && filter.image_version && !filter.image_arn) {
    std::erase_if(result->rows, [&](const MicrovmRow& row) { return row.image_version != *filter.image_version; });
  }
  return result;
}

Result<std::vector<MicrovmRow>> SqliteMetadataStore::live_microvms() const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_MICROVM_COLUMNS " FROM microvms WHERE terminated = 0"),
            "list microvms");
  return read_all<MicrovmRow>(statement, read_microvm);
}

Result<std::size_t> SqliteMetadataStore::remove_terminated_before(WallTime when, std::size_t limit) {
  const std::lock_guard lock(writer_mutex_);
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "remove microvms");
  std::vector<std::string> ids;
  {
    DM_ASSIGN(auto statement,
              writer_->prepare("SELECT microvm_id FROM microvms WHERE terminated = 1 AND terminated_at < ? LIMIT ?"),
              "remove microvms");
    statement.bind(to_number(when)).bind(static_cast<std::int64_t>(limit));
    DM_ASSIGN(ids, read_all<std::string>(statement, [](SqliteStatement& row) { return row.text(); }), "");
  }
  for (const std::string& id : ids) {
    for (const char* sql : {"DELETE FROM tokens WHERE resource = ?", "DELETE FROM microvms WHERE microvm_id = ?"}) {
      DM_ASSIGN(auto statement, writer_->prepare(sql), "remove microvms");
      DM_TRY(statement.bind(id).run(), "remove microvms");
    }
  }
  DM_TRY(transaction.commit(), "remove microvms");
  return ids.size();
}

Result<std::optional<TokenRow>> SqliteMetadataStore::token(std::string_view account,
                                                           std::string_view operation,
                                                           std::string_view token,
                                                           WallTime now) const {
  const std::lock_guard lock(reader_mutex_);
  DM_ASSIGN(auto statement,
            reader_->prepare("SELECT " DM_TOKEN_COLUMNS
                             " FROM tokens WHERE account = ? AND operation = ? AND token = ? AND expires_at > ?"),
            "read a token");
  return read_one<TokenRow>(statement.bind(account).bind(operation).bind(token).bind(to_number(now)), read_token);
}

Result<std::size_t> SqliteMetadataStore::remove_tokens_expired_before(WallTime when, std::size_t limit) {
  const std::lock_guard lock(writer_mutex_);
  DM_ASSIGN(
      auto statement,
      writer_->prepare("DELETE FROM tokens WHERE (account, operation, token) IN (SELECT account, operation, token "
                       "FROM tokens WHERE expires_at < ? LIMIT ?)"),
      "remove tokens");
  DM_TRY(statement.bind(to_number(when)).bind(static_cast<std::int64_t>(limit)).run(), "remove tokens");
  return static_cast<std::size_t>(writer_->changes());
}

}  // namespace

Result<std::unique_ptr<MetadataStore>> open_sqlite_metadata_store(const std::filesystem::path& path) {
  DM_ASSIGN(auto writer, SqliteConnection::open(path, SqliteConnection::Mode::kReadWriteCreate), "");
  DM_TRY(writer->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"), path.native());
  DM_TRY(migrate(*writer), path.native());
  DM_ASSIGN(auto reader, SqliteConnection::open(path, SqliteConnection::Mode::kReadOnly), "");
  return std::unique_ptr<MetadataStore>(new SqliteMetadataStore(std::move(writer), std::move(reader)));
}

}  // namespace dormouse::store
