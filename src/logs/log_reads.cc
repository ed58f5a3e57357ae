// SPDX-License-Identifier: Apache-2.0
//
// What readers ask: listings and events. All by the reader's connection, which the writer does not hold up.

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "logs/log_store.h"
#include "store/sqlite.h"
#include "store/table.h"

namespace dormouse::logs {

using store::SqliteStatement;

namespace {

constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

// No text begins with `prefix` and is beyond this: 0xFF is no byte of UTF-8.
std::string end_of(const std::string& prefix) { return prefix + '\xff'; }

LogGroup group_of(SqliteStatement& row) {
  LogGroup group;
  group.name = row.text();
  group.created_ms = row.number();
  if (const auto days = row.optional_number()) {
    group.retention_days = static_cast<int>(*days);
  }
  group.stored_bytes = static_cast<std::uint64_t>(row.number());
  return group;
}

LogStream stream_of(SqliteStatement& row) {
  LogStream stream;
  stream.name = row.text();
  stream.created_ms = row.number();
  const std::int64_t last_event_ms = row.number();
  stream.last_ingestion_ms = row.optional_number();
  stream.stored_bytes = static_cast<std::uint64_t>(row.number());
  stream.first_event_ms = row.optional_number();
  if (stream.last_ingestion_ms) {
    stream.last_event_ms = last_event_ms;
  }
  return stream;
}

// Of a statement whose last parameter is the most that may come: one more than `limit`, which tells whether there is more.
template <typename Item>
Result<NamedPage<Item>> page_of(SqliteStatement& select,
                                std::size_t limit,
                                Item (*item_of)(SqliteStatement&),
                                std::string_view doing) {
  select.bind(static_cast<std::int64_t>(limit) + 1);
  NamedPage<Item> page;
  for (;;) {
    DM_ASSIGN(const bool row, select.step(), doing);
    if (!row) {
      return page;
    }
    if (page.items.size() == limit) {
      page.more = true;
      return page;
    }
    page.items.push_back(item_of(select));
  }
}

StoredEvent event_of(SqliteStatement& row) {
  StoredEvent event;
  event.position.id = row.number();
  event.position.timestamp_ms = row.number();
  event.ingestion_ms = row.number();
  event.message = row.text();
  return event;
}

constexpr const char* kBackwardSql =
    "SELECT id, timestamp_ms, ingestion_ms, message FROM events WHERE stream_id = ? AND "
    "timestamp_ms >= ? AND timestamp_ms < ? AND (timestamp_ms, id) < (?, ?) ORDER BY timestamp_ms DESC, id DESC "
    "LIMIT ?";
constexpr const char* kGroupSql =
    "SELECT id, timestamp_ms, ingestion_ms, message, stream_id FROM events WHERE group_id = ? AND "
    "timestamp_ms >= ? AND timestamp_ms < ? AND (timestamp_ms, id) > (?, ?) ORDER BY timestamp_ms, id LIMIT ?";
constexpr const char* kStreamSql =
    "SELECT id, timestamp_ms, ingestion_ms, message, stream_id FROM events WHERE stream_id = ? AND "
    "timestamp_ms >= ? AND timestamp_ms < ? AND (timestamp_ms, id) > (?, ?) ORDER BY timestamp_ms, id LIMIT ?";

constexpr const char* kStreamsByName =
    "SELECT name, created_ms, last_event_ms, last_ingestion_ms, bytes, (SELECT min(timestamp_ms) FROM events WHERE "
    "stream_id = streams.id) FROM streams WHERE group_id = ? AND name >= ? AND name < ? AND "
    "name > ? ORDER BY name LIMIT ?";
constexpr const char* kStreamsByNameDescending =
    "SELECT name, created_ms, last_event_ms, last_ingestion_ms, bytes, (SELECT min(timestamp_ms) FROM events WHERE "
    "stream_id = streams.id) FROM streams WHERE group_id = ? AND name >= ? AND name < ? AND "
    "name < ? ORDER BY name DESC LIMIT ?";
constexpr const char* kStreamsByEvent =
    "SELECT name, created_ms, last_event_ms, last_ingestion_ms, bytes, (SELECT min(timestamp_ms) FROM events WHERE "
    "stream_id = streams.id) FROM streams WHERE group_id = ? AND name >= ? AND name < ? AND "
    "(last_event_ms, name) > (?, ?) ORDER BY last_event_ms, name LIMIT ?";
constexpr const char* kStreamsByEventDescending =
    "SELECT name, created_ms, last_event_ms, last_ingestion_ms, bytes, (SELECT min(timestamp_ms) FROM events WHERE "
    "stream_id = streams.id) FROM streams WHERE group_id = ? AND name >= ? AND name < ? AND "
    "(last_event_ms, name) < (?, ?) ORDER BY last_event_ms DESC, name DESC LIMIT ?";

}  // namespace

Result<NamedPage<LogGroup>> LogStore::list_groups(const std::string& account,
                                                  const GroupFilter& filter,
                                                  const std::string& after,
                                                  std::size_t limit) {
  const std::lock_guard lock(reading_);
  DM_ASSIGN(
      auto select,
      reader_->prepare("SELECT name, created_ms, retention_days, (SELECT coalesce(sum(bytes), 0) FROM streams WHERE "
                       "group_id = groups.id) FROM groups WHERE account = ? AND name >= ? AND name < ? AND name > ? "
                       "AND instr(name, ?) > 0 ORDER BY name LIMIT ?"),
      "list log groups");
  select.bind(account).bind(filter.prefix).bind(end_of(filter.prefix)).bind(after).bind(filter.part);
  return page_of(select, limit, group_of, "list log groups");
}

Result<std::size_t> LogStore::count_groups(const std::string& account) {
  const std::lock_guard lock(reading_);
  return store::count_rows(*reader_, "SELECT count(*) FROM groups WHERE account = ?", account);
}

Result<NamedPage<LogStream>> LogStore::list_streams(const std::string& account,
                                                    const std::string& group,
                                                    const StreamFilter& filter,
                                                    const std::optional<StreamKey>& after,
                                                    std::size_t limit) {
  const std::lock_guard lock(reading_);
  DM_ASSIGN(const std::int64_t id, require_group(*reader_, account, group), "");
  const bool by_name = filter.order == StreamOrder::kName;
  DM_ASSIGN(auto select,
            reader_->prepare(by_name ? (filter.descending ? kStreamsByNameDescending : kStreamsByName)
                                     : (filter.descending ? kStreamsByEventDescending : kStreamsByEvent)),
            "list log streams");
  select.bind(id).bind(filter.prefix).bind(end_of(filter.prefix));
  const StreamKey first{filter.descending ? kForEver : -1, filter.descending ? end_of("") : ""};
  const StreamKey& key = after ? *after : first;
  if (!by_name) {
    select.bind(key.last_event_ms);
  }
  select.bind(key.name);
  return page_of(select, limit, stream_of, "list log streams");
}

Result<EventPage> LogStore::read(const std::string& account,
                                 const std::string& group,
                                 const std::string& stream,
                                 const EventRange& range,
                                 Direction direction,
                                 const std::optional<Position>& place) {
  const std::lock_guard lock(reading_);
  DM_ASSIGN(const std::int64_t group_id, require_group(*reader_, account, group), "");
  Search named;
  named.streams = {stream};
  DM_ASSIGN(const auto streams, wanted_streams(group_id, named), "");
  const bool forward = direction == Direction::kForward;
  const Position from = place.value_or(forward ? Position{-1, 0} : Position{kForEver, kForEver});
  DM_ASSIGN(auto select, reader_->prepare(forward ? kStreamSql : kBackwardSql), "read log events");
  select.bind(streams.front().first)
      .bind(range.from_ms.value_or(0))
      .bind(range.to_ms.value_or(kForEver))
      .bind(from.timestamp_ms)
      .bind(from.id)
      .bind(static_cast<std::int64_t>(range.events_max));
  EventPage page;
  std::uint64_t bytes = 0;
  for (;;) {
    DM_ASSIGN(const bool row, select.step(), "read log events");
    if (!row || bytes >= range.bytes_max) {
      break;
    }
    page.events.push_back(event_of(select));
    page.events.back().stream = stream;
    bytes += cost_of(page.events.back().message);
  }
  if (!forward) {
    std::reverse(page.events.begin(), page.events.end());
  }
  return page;
}

// Id and name of the streams that a search names.
Result<std::vector<std::pair<std::int64_t, std::string>>> LogStore::wanted_streams(std::int64_t group,
                                                                                   const Search& search) const {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const std::string& name : search.streams) {
    DM_ASSIGN(auto select, reader_->prepare("SELECT id FROM streams WHERE group_id = ? AND name = ?"), "");
    DM_ASSIGN(const bool there, select.bind(group).bind(name).step(), "find a log stream");
    if (!there) {
      return fail(ErrorKind::kNotFound, "The specified log stream does not exist.");
    }
    found.emplace_back(select.number(), name);
  }
  if (!search.streams.empty()) {
    return found;
  }
  DM_ASSIGN(
      auto select, reader_->prepare("SELECT id, name FROM streams WHERE group_id = ? AND name >= ? AND name < ?"), "");
  select.bind(group).bind(search.stream_prefix).bind(end_of(search.stream_prefix));
  for (;;) {
    DM_ASSIGN(const bool row, select.step(), "find log streams");
    if (!row) {
      return found;
    }
    const std::int64_t id = select.number();
    found.emplace_back(id, select.text());
  }
}

Result<EventPage> LogStore::search(const std::string& account,
                                   const std::string& group,
                                   const Search& search,
                                   const EventRange& range,
                                   const std::optional<Position>& place) {
  const std::lock_guard lock(reading_);
  DM_ASSIGN(const std::int64_t group_id, require_group(*reader_, account, group), "");
  DM_ASSIGN(const auto streams, wanted_streams(group_id, search), "");
  const std::map<std::int64_t, std::string> names(streams.begin(), streams.end());
  const bool one = streams.size() == 1;
  const Position from = place.value_or(Position{-1, 0});
  DM_ASSIGN(auto select, reader_->prepare(one ? kStreamSql : kGroupSql), "search log events");
  select.bind(one ? streams.front().first : group_id)
      .bind(range.from_ms.value_or(0))
      .bind(std::min(range.to_ms.value_or(kForEver), kForEver - 1) +
            1)  // of which the last millisecond is a part, unlike that of a read
      .bind(from.timestamp_ms)
      .bind(from.id)
      .bind(static_cast<std::int64_t>(search.scanned_max) + 1);
  EventPage page;
  std::uint64_t bytes = 0;
  Position last = from;
  const SteadyTime deadline = clock_.steady() + search.time_max;
  for (std::size_t scanned = 0;; ++scanned) {
    DM_ASSIGN(const bool row, select.step(), "search log events");
    if (!row) {
      return page;
    }
    const bool is_late = scanned > 0 && clock_.steady() >= deadline;
    if (is_late || scanned == search.scanned_max || page.events.size() == range.events_max ||
        bytes >= range.bytes_max) {
      page.next = last;
      return page;
    }
    StoredEvent event = event_of(select);
    last = event.position;
    const auto name = names.find(select.number());
    if (name == names.end() || (search.matches && !search.matches(event.message))) {
      continue;
    }
    event.stream = name->second;
    bytes += cost_of(event.message);
    page.events.push_back(std::move(event));
  }
}

}  // namespace dormouse::logs
