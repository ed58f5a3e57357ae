// SPDX-License-Identifier: Apache-2.0

#include "store/sqlite_metadata_store.h"

#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "store/changes.h"
#include "store/table.h"

namespace dormouse::store {

namespace {

class SqliteMetadataStore final : public MetadataStore {
 public:
  explicit SqliteMetadataStore(Database& database) : database_(database) {}

  Status apply(const Changes& changes) override;

  Result<std::optional<ImageRow>> image_by_arn(std::string_view arn) const override;
  Result<std::optional<ImageRow>> image_by_name(std::string_view account, std::string_view name) const override;
  Result<std::size_t> count_images(std::string_view account) const override;
  Result<RowPage<ImageRow>> list_images(std::string_view account, const PageRequest& page) const override;
  Result<std::vector<ImageRow>> images_in_state(std::string_view state, std::size_t limit) const override;
  Result<std::optional<VersionRow>> version(std::string_view image_arn, std::string_view version) const override;
  Result<std::size_t> count_versions(std::string_view image_arn) const override;
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
  template <typename Row, typename... Values>
  Result<std::optional<Row>> one(std::string_view rest, const Values&... values) const {
    return database_.read([&](SqliteConnection& connection) { return find_one<Row>(connection, rest, values...); });
  }
  template <typename Row, typename... Values>
  Result<std::vector<Row>> all(std::string_view rest, const Values&... values) const {
    return database_.read([&](SqliteConnection& connection) { return find_all<Row>(connection, rest, values...); });
  }
  template <typename Row, typename... Values>
  Result<RowPage<Row>> page_of(std::string_view condition, const PageRequest& page, const Values&... values) const {
    return database_.read(
        [&](SqliteConnection& connection) { return find_page<Row>(connection, condition, page, values...); });
  }
  template <typename... Values>
  Result<std::size_t> remove(std::string_view sql, const Values&... values) {
    return database_.write([&](SqliteConnection& connection) { return run(connection, sql, values...); });
  }

  Database& database_;
};

Status SqliteMetadataStore::apply(const Changes& changes) {
  return database_.write([&](SqliteConnection& connection) { return apply_changes(connection, changes); });
}

Result<std::optional<ImageRow>> SqliteMetadataStore::image_by_arn(std::string_view arn) const {
  return one<ImageRow>("WHERE arn = ?", arn);
}

Result<std::optional<ImageRow>> SqliteMetadataStore::image_by_name(std::string_view account,
                                                                   std::string_view name) const {
  return one<ImageRow>("WHERE account = ? AND name = ?", account, name);
}

Result<std::size_t> SqliteMetadataStore::count_images(std::string_view account) const {
  return database_.read([&](SqliteConnection& connection) {
    return count_rows(connection, "SELECT count(*) FROM images WHERE account = ?", account);
  });
}

Result<RowPage<ImageRow>> SqliteMetadataStore::list_images(std::string_view account, const PageRequest& page) const {
  return page_of<ImageRow>("account = ?", page, account);
}

Result<std::vector<ImageRow>> SqliteMetadataStore::images_in_state(std::string_view state, std::size_t limit) const {
  return all<ImageRow>("WHERE state = ? LIMIT ?", state, limit);
}

Result<std::optional<VersionRow>> SqliteMetadataStore::version(std::string_view image_arn,
                                                               std::string_view version) const {
  return one<VersionRow>("WHERE image_arn = ? AND version = ?", image_arn, version);
}

Result<std::size_t> SqliteMetadataStore::count_versions(std::string_view image_arn) const {
  return database_.read([&](SqliteConnection& connection) {
    return count_rows(connection, "SELECT count(*) FROM versions WHERE image_arn = ?", image_arn);
  });
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
  DM_ASSIGN(auto rows,
            all<VersionRow>(
                "WHERE image_arn = ? AND ordinal < ? ORDER BY ordinal DESC LIMIT ?", image_arn, after, page.limit + 1),
            "");
  return cut_page(std::move(rows), page, [](const VersionRow& row) { return std::to_string(row.ordinal); });
}

Result<std::optional<BuildRow>> SqliteMetadataStore::build(std::string_view build_id) const {
  return one<BuildRow>("WHERE build_id = ?", build_id);
}

Result<RowPage<BuildRow>> SqliteMetadataStore::list_builds(std::string_view image_arn,
                                                           std::string_view version,
                                                           const PageRequest& page) const {
  return page_of<BuildRow>("image_arn = ? AND version = ?", page, image_arn, version);
}

Result<std::vector<BuildRow>> SqliteMetadataStore::builds_in_state(std::string_view state, std::size_t limit) const {
  return all<BuildRow>("WHERE state = ? LIMIT ?", state, limit);
}

Result<std::optional<ConnectorRow>> SqliteMetadataStore::connector(std::string_view id) const {
  return one<ConnectorRow>("WHERE id = ?", id);
}

Result<std::optional<ConnectorRow>> SqliteMetadataStore::connector_by_name(std::string_view account,
                                                                           std::string_view name) const {
  return one<ConnectorRow>("WHERE account = ? AND name = ? AND deleted_at IS NULL", account, name);
}

Result<RowPage<ConnectorRow>> SqliteMetadataStore::list_connectors(std::string_view account,
                                                                   const PageRequest& page) const {
  return page_of<ConnectorRow>("account = ? AND deleted_at IS NULL", page, account);
}

Result<std::vector<ConnectorRow>> SqliteMetadataStore::connectors_in_state(std::string_view state,
                                                                           std::size_t limit) const {
  return all<ConnectorRow>("WHERE state = ? AND deleted_at IS NULL LIMIT ?", state, limit);
}

Result<std::size_t> SqliteMetadataStore::remove_connectors_deleted_before(WallTime when, std::size_t limit) {
  return remove(
      "DELETE FROM connectors WHERE id IN (SELECT id FROM connectors WHERE deleted_at IS NOT NULL AND deleted_at < ? "
      "LIMIT ?)",
      when,
      limit);
}

Result<std::optional<MicrovmRow>> SqliteMetadataStore::microvm(std::string_view microvm_id) const {
  return one<MicrovmRow>("WHERE microvm_id = ?", microvm_id);
}

Result<std::optional<MicrovmRow>> SqliteMetadataStore::microvm_by_endpoint(std::string_view endpoint_id) const {
  return one<MicrovmRow>("WHERE endpoint_id = ?", endpoint_id);
}

Result<RowPage<MicrovmRow>> SqliteMetadataStore::list_microvms(std::string_view account,
                                                               const MicrovmFilter& filter,
                                                               const PageRequest& page) const {
  if (filter.image_arn && filter.image_version) {
    return page_of<MicrovmRow>(
        "account = ? AND image_arn = ? AND image_version = ?", page, account, *filter.image_arn, *filter.image_version);
  }
  if (filter.image_arn) {
    return page_of<MicrovmRow>("account = ? AND image_arn = ?", page, account, *filter.image_arn);
  }
  auto result = page_of<MicrovmRow>("account = ?", page, account);
  if (result && filter.image_version) {
    // A version without an image is not an indexed question; the page is filtered after it was read, as the service does.
    std::erase_if(result->rows, [&](const MicrovmRow& row) { return row.image_version != *filter.image_version; });
  }
  return result;
}

Result<std::vector<MicrovmRow>> SqliteMetadataStore::live_microvms() const {
  return all<MicrovmRow>("WHERE terminated = 0");
}

Result<std::size_t> SqliteMetadataStore::remove_terminated_before(WallTime when, std::size_t limit) {
  return database_.write([&](SqliteConnection& connection) -> Result<std::size_t> {
    DM_ASSIGN(const auto ended,
              find_all<MicrovmRow>(connection, "WHERE terminated = 1 AND terminated_at < ? LIMIT ?", when, limit),
              "");
    for (const MicrovmRow& row : ended) {
      DM_TRY(run(connection, "DELETE FROM tokens WHERE resource = ?", row.microvm_id), "remove microvms");
      DM_TRY(run(connection, "DELETE FROM microvms WHERE microvm_id = ?", row.microvm_id), "remove microvms");
    }
    return ended.size();
  });
}

Result<std::optional<TokenRow>> SqliteMetadataStore::token(std::string_view account,
                                                           std::string_view operation,
                                                           std::string_view token,
                                                           WallTime now) const {
  return one<TokenRow>(
      "WHERE account = ? AND operation = ? AND token = ? AND expires_at > ?", account, operation, token, now);
}

Result<std::size_t> SqliteMetadataStore::remove_tokens_expired_before(WallTime when, std::size_t limit) {
  return remove(
      "DELETE FROM tokens WHERE (account, operation, token) IN (SELECT account, operation, token FROM tokens WHERE "
      "expires_at < ? LIMIT ?)",
      when,
      limit);
}

}  // namespace

std::unique_ptr<MetadataStore> make_sqlite_metadata_store(Database& database) {
  return std::make_unique<SqliteMetadataStore>(database);
}

}  // namespace dormouse::store
