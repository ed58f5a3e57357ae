// SPDX-License-Identifier: Apache-2.0

#include "logs/log_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "os/file.h"
#include "store/sqlite.h"

namespace dormouse::logs {

using store::SqliteConnection;
using store::SqliteTransaction;

namespace {

constexpr std::int64_t kFormat = 1;

constexpr const char* kSchema = R"sql(
CREATE TABLE groups (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  retention_days BIGINT,
  UNIQUE (account, name)
);
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  group_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  last_event_ms BIGINT NOT NULL,
  last_ingestion_ms BIGINT,
  bytes BIGINT NOT NULL,
  UNIQUE (group_id, name)
);
CREATE INDEX streams_by_event ON streams (group_id, last_event_ms, name);
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id BIGINT NOT NULL,
  stream_id BIGINT NOT NULL,
  timestamp_ms BIGINT NOT NULL,
  ingestion_ms BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX events_by_group ON events (group_id, timestamp_ms);
CREATE INDEX events_by_stream ON events (stream_id, timestamp_ms);
CREATE TABLE sources (
  source TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  log_group TEXT NOT NULL,
  log_stream TEXT NOT NULL,
  next_offset BIGINT
);
PRAGMA user_version = 1;
)sql";

// One connection to the file, whose tables are there when it returns.
Result<std::unique_ptr<SqliteConnection>> connect(const std::filesystem::path& file) {
  DM_ASSIGN(auto connection, SqliteConnection::open(file, SqliteConnection::Mode::kReadWriteCreate), "");
  // The vacuum mode counts for a new file alone. A power cut may take the last moments, never more, and never the order.
  DM_TRY(
      connection->execute("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                          "PRAGMA journal_size_limit = 16777216"),
      "");
  std::int64_t format = 0;
  {
    DM_ASSIGN(auto version, connection->prepare("PRAGMA user_version"), "");
    DM_TRY(version.step(), "");
    format = version.number();
  }
  if (format > kFormat) {
    return fail(ErrorKind::kConflict,
                fmt::format("{} has format {}, this program knows {} at most: use the newer program, or move the file "
                            "away",
                            file.string(),
                            format,
                            kFormat));
  }
  if (format == 0) {
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(*connection), "");
    DM_TRY(connection->execute(kSchema), "");
    DM_TRY(transaction.commit(), "");
  }
  return connection;
}

Status put_aside(const std::filesystem::path& file) {
  for (const char* suffix : {"-wal", "-shm"}) {
    DM_TRY(os::remove_tree(file.string() + suffix), "");
  }
  return os::rename_durably(file, file.string() + ".damaged");
}

}  // namespace

LogStore::LogStore(Clock& clock, Options options) : clock_(clock), options_(options) {}
LogStore::~LogStore() = default;

Result<std::unique_ptr<LogStore>> LogStore::open(const std::filesystem::path& file, Clock& clock, Options options) {
  std::unique_ptr<LogStore> logs(new LogStore(clock, options));
  Status opened = logs->open_file(file);
  if (!opened && opened.error().kind() == ErrorKind::kDataLoss) {
    log::error("the logs are damaged: they are put aside, and new ones begun",
               {{"file", file.string() + ".damaged"}, {"error", opened.error().message()}});
    logs->reader_.reset();
    logs->writer_.reset();
    DM_TRY(put_aside(file), "");
    opened = logs->open_file(file);
  }
  DM_TRY(std::move(opened), "open the logs");
  return logs;
}

Status LogStore::open_file(const std::filesystem::path& file) {
  DM_ASSIGN(writer_, connect(file), "");
  DM_ASSIGN(reader_, connect(file), "");
  DM_ASSIGN(auto sum, writer_->prepare("SELECT coalesce(sum(bytes), 0) FROM streams"), "");
  DM_TRY(sum.step(), "");
  total_bytes_ = static_cast<std::uint64_t>(sum.number());
  return {};
}

// --- for the writer ---

Status LogStore::append(const std::vector<SourceOutput>& outputs) {
  const std::lock_guard lock(writing_);
  const std::int64_t now_ms = to_milliseconds(clock_.wall());
  const std::uint64_t before = total_bytes_;
  const auto appended = [&]() -> Status {
    DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "");
    for (const SourceOutput& output : outputs) {
      DM_TRY(append_one(output, now_ms), "");
    }
    DM_TRY(keep_bounds(), "");
    return transaction.commit();
  }();
  if (!appended) {
    total_bytes_ = before;
  }
  return appended;
}

Status LogStore::append_one(const SourceOutput& output, std::int64_t now_ms) {
  if (!output.events.empty() || !output.ended) {
    DM_ASSIGN(const StreamIds ids, ensure_stream(output.destination, now_ms), "");
    if (!output.events.empty()) {
      DM_TRY(insert_events(ids, output.events, now_ms), "");
    }
  }
  return remember_source(output);
}

Result<LogStore::StreamIds> LogStore::ensure_stream(const Destination& destination, std::int64_t now_ms) {
  StreamIds ids;
  {
    DM_ASSIGN(auto insert,
              writer_->prepare("INSERT INTO groups (account, name, created_ms) VALUES (?, ?, ?) "
                               "ON CONFLICT (account, name) DO UPDATE SET name = name RETURNING id"),
              "");
    DM_TRY(insert.bind(destination.account).bind(destination.group).bind(now_ms).step(), "");
    ids.group = insert.number();
  }
  DM_ASSIGN(auto insert,
            writer_->prepare("INSERT INTO streams (group_id, name, created_ms, last_event_ms, bytes) "
                             "VALUES (?, ?, ?, 0, 0) ON CONFLICT (group_id, name) DO UPDATE SET name = name "
                             "RETURNING id"),
            "");
  DM_TRY(insert.bind(ids.group).bind(destination.stream).bind(now_ms).step(), "");
  ids.stream = insert.number();
  return ids;
}

Status LogStore::insert_events(const StreamIds& ids, const std::vector<NewEvent>& events, std::int64_t now_ms) {
  std::int64_t bytes = 0;
  std::int64_t last_ms = 0;
  for (const NewEvent& event : events) {
    const auto cost = static_cast<std::int64_t>(cost_of(event.message));
    DM_ASSIGN(auto insert,
              writer_->prepare("INSERT INTO events (group_id, stream_id, timestamp_ms, ingestion_ms, cost, message) "
                               "VALUES (?, ?, ?, ?, ?, ?)"),
              "");
    DM_TRY(insert.bind(ids.group)
               .bind(ids.stream)
               .bind(event.timestamp_ms)
               .bind(now_ms)
               .bind(cost)
               .bind(event.message)
               .run(),
           "");
    bytes += cost;
    last_ms = std::max(last_ms, event.timestamp_ms);
  }
  std::int64_t stream_bytes = 0;
  {
    DM_ASSIGN(auto update,
              writer_->prepare("UPDATE streams SET bytes = bytes + ?, last_event_ms = max(last_event_ms, ?), "
                               "last_ingestion_ms = ? WHERE id = ? RETURNING bytes"),
              "");
    DM_TRY(update.bind(bytes).bind(last_ms).bind(now_ms).bind(ids.stream).step(), "");
    stream_bytes = update.number();
  }
  total_bytes_ += static_cast<std::uint64_t>(bytes);
  if (static_cast<std::uint64_t>(stream_bytes) <= options_.stream_bytes_max) {
    return {};
  }
  return trim(ids.stream,
              static_cast<std::uint64_t>(static_cast<double>(options_.stream_bytes_max) * (1 - kRoomShare)));
}

Status LogStore::remember_source(const SourceOutput& output) {
  if (output.ended) {
    DM_ASSIGN(auto remove, writer_->prepare("DELETE FROM sources WHERE source = ?"), "");
    return remove.bind(output.source).run();
  }
  DM_ASSIGN(auto insert,
            writer_->prepare("INSERT OR REPLACE INTO sources (source, account, log_group, log_stream, next_offset) "
                             "VALUES (?, ?, ?, ?, ?)"),
            "");
  const std::optional<std::int64_t> offset =
      output.next_offset ? std::optional(static_cast<std::int64_t>(*output.next_offset)) : std::nullopt;
  return insert.bind(output.source)
      .bind(output.destination.account)
      .bind(output.destination.group)
      .bind(output.destination.stream)
      .bind(offset)
      .run();
}

Result<std::vector<KnownSource>> LogStore::sources() {
  const std::lock_guard lock(writing_);
  DM_ASSIGN(auto select,
            writer_->prepare("SELECT source, account, log_group, log_stream, next_offset FROM sources"),
            "read the logs' sources");
  std::vector<KnownSource> found;
  for (;;) {
    DM_ASSIGN(const bool row, select.step(), "read the logs' sources");
    if (!row) {
      return found;
    }
    KnownSource known;
    known.source = select.text();
    known.destination.account = select.text();
    known.destination.group = select.text();
    known.destination.stream = select.text();
    if (const auto offset = select.optional_number()) {
      known.next_offset = static_cast<std::uint64_t>(*offset);
    }
    found.push_back(std::move(known));
  }
}

// --- groups ---

Result<std::int64_t> LogStore::require_group(SqliteConnection& connection,
                                             const std::string& account,
                                             const std::string& name) const {
  DM_ASSIGN(auto select, connection.prepare("SELECT id FROM groups WHERE account = ? AND name = ?"), "");
  DM_ASSIGN(const bool found, select.bind(account).bind(name).step(), "find a log group");
  if (!found) {
    return fail(ErrorKind::kNotFound, "The specified log group does not exist.");
  }
  return select.number();
}

Status LogStore::create_group(const std::string& account, const std::string& name) {
  const std::lock_guard lock(writing_);
  DM_ASSIGN(auto insert,
            writer_->prepare("INSERT INTO groups (account, name, created_ms) VALUES (?, ?, ?) "
                             "ON CONFLICT (account, name) DO NOTHING"),
            "create a log group");
  DM_TRY(insert.bind(account).bind(name).bind(to_milliseconds(clock_.wall())).run(), "create a log group");
  if (writer_->changes() == 0) {
    return fail(ErrorKind::kConflict, "The specified log group already exists");
  }
  return {};
}

Status LogStore::delete_group(const std::string& account, const std::string& name) {
  const std::lock_guard lock(writing_);
  DM_ASSIGN(auto transaction, SqliteTransaction::begin(*writer_), "delete a log group");
  DM_ASSIGN(const std::int64_t group, require_group(*writer_, account, name), "");
  std::uint64_t bytes = 0;
  {
    DM_ASSIGN(
        auto sum, writer_->prepare("SELECT coalesce(sum(bytes), 0) FROM streams WHERE group_id = ?"), "delete a group");
    DM_TRY(sum.bind(group).step(), "delete a log group");
    bytes = static_cast<std::uint64_t>(sum.number());
  }
  for (const char* const sql : {"DELETE FROM events WHERE group_id = ?",
                                "DELETE FROM streams WHERE group_id = ?",
                                "DELETE FROM groups WHERE id = ?"}) {
    DM_ASSIGN(auto remove, writer_->prepare(sql), "");
    DM_TRY(remove.bind(group).run(), "delete a log group");
  }
  DM_TRY(transaction.commit(), "delete a log group");
  total_bytes_ -= std::min(total_bytes_, bytes);
  return {};
}

Status LogStore::set_retention(const std::string& account, const std::string& name, std::optional<int> days) {
  const std::lock_guard lock(writing_);
  DM_ASSIGN(const std::int64_t group, require_group(*writer_, account, name), "");
  DM_ASSIGN(auto update, writer_->prepare("UPDATE groups SET retention_days = ? WHERE id = ?"), "set a retention");
  return update.bind(days ? std::optional<std::int64_t>(*days) : std::nullopt).bind(group).run();
}

}  // namespace dormouse::logs
