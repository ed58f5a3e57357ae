// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "logs/log_event.h"

namespace dormouse::store {
class SqliteConnection;
}

namespace dormouse::logs {

// What one source wrote since the last time.
struct SourceOutput {
  std::string source;  // e.g. a MicroVM's id
  Destination destination;
  std::vector<NewEvent> events;
  std::optional<std::uint64_t> next_offset;  // from which on its output is to be asked for again
  bool ended = false;                        // the source is forgotten, its events stay
};

// A source that had not ended when the store was last open.
struct KnownSource {
  std::string source;
  Destination destination;
  std::optional<std::uint64_t> next_offset;
};

// Which events of a group are wanted. Times are milliseconds; `from` belongs to the range, `to` does not.
struct EventRange {
  std::optional<std::int64_t> from_ms;
  std::optional<std::int64_t> to_ms;
  std::size_t events_max = 10'000;
  std::uint64_t bytes_max = 1'000'000;  // by cost_of(); one event may go beyond
};

struct EventPage {
  std::vector<StoredEvent> events;  // oldest first
  std::optional<Position> next;     // of a search that is not at its end: where it goes on, behind this
};

template <typename Item>
struct NamedPage {
  std::vector<Item> items;
  bool more = false;
};

// Groups, streams and events in one SQLite file (docs/formats/logs.md), bounded by bytes and by age.
//
// Invariants:
// 1. append() is one transaction: events and the offset of their source are stored together or not at all. So what a source
//    is asked for again after a crash is what is missing, neither more nor less.
// 2. Stored bytes (messages and kEventOverheadBytes each) are at most Options::bytes_max, those of a stream at most
//    stream_bytes_max. The oldest events of the stream that has most go first: who writes much displaces his own.
// 3. An event is removed once it is older than its group's retention or Options::age_max, within a minute of expire().
//
// Thread-safe; blocks on the disk. Errors: kNotFound and kConflict for groups and streams, else those of SQLite. A file that
// is damaged is put aside when the store is opened, and a new one begun: logs never keep a daemon from starting.
class LogStore {
 public:
  struct Options {
    std::uint64_t bytes_max = 1ULL << 30U;
    std::uint64_t stream_bytes_max = 64ULL << 20U;
    std::chrono::hours age_max{24 * 30};
  };

  static Result<std::unique_ptr<LogStore>> open(const std::filesystem::path& file, Clock& clock, Options options);
  ~LogStore();
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  // --- for the writer ---

  // Groups and streams that are not there are made.
  Status append(const std::vector<SourceOutput>& outputs);
  Result<std::vector<KnownSource>> sources();
  // Removes what is too old; to be called every now and then.
  Status expire();

  // --- groups ---

  Status create_group(const std::string& account, const std::string& name);
  Status delete_group(const std::string& account, const std::string& name);
  Status set_retention(const std::string& account, const std::string& name, std::optional<int> days);

  // By name, those after `after`.
  struct GroupFilter {
    std::string prefix;
    std::string part;  // anywhere in the name, case by case
  };
  Result<NamedPage<LogGroup>> list_groups(const std::string& account,
                                          const GroupFilter& filter,
                                          const std::string& after,
                                          std::size_t limit);

  Result<std::size_t> count_groups(const std::string& account);

  // --- streams ---

  enum class StreamOrder { kName, kLastEvent };
  struct StreamFilter {
    std::string prefix;
    StreamOrder order = StreamOrder::kName;
    bool descending = false;
  };
  struct StreamKey {  // of a stream in its order
    std::int64_t last_event_ms = 0;
    std::string name;
  };
  Result<NamedPage<LogStream>> list_streams(const std::string& account,
                                            const std::string& group,
                                            const StreamFilter& filter,
                                            const std::optional<StreamKey>& after,
                                            std::size_t limit);
  static StreamKey key_of(const LogStream& stream) { return {stream.last_event_ms.value_or(0), stream.name}; }

  // --- events ---

  // Of one stream: the first events behind `place`, or the last ones before it. Without a place: of the whole range.
  enum class Direction { kForward, kBackward };
  Result<EventPage> read(const std::string& account,
                         const std::string& group,
                         const std::string& stream,
                         const EventRange& range,
                         Direction direction,
                         const std::optional<Position>& place);

  struct Search {
    std::vector<std::string> streams;  // none: all
    std::string stream_prefix;
    std::function<bool(std::string_view)> matches;  // none: all
    std::size_t scanned_max = 100'000;              // events looked at in one call
    std::chrono::milliseconds time_max{2000};       // of one call, which other readers wait for: a match may be slow
  };
  // Of a group, oldest first, behind `place`. Named streams that are not there are kNotFound.
  Result<EventPage> search(const std::string& account,
                           const std::string& group,
                           const Search& search,
                           const EventRange& range,
                           const std::optional<Position>& place);

 private:
  static constexpr double kRoomShare = 0.05;  // of a bound, made at once when it is reached: not for each event anew

  struct StreamIds {
    std::int64_t group = 0;
    std::int64_t stream = 0;
  };

  LogStore(Clock& clock, Options options);
  Status open_file(const std::filesystem::path& file);
  Status append_one(const SourceOutput& output, std::int64_t now_ms);
  Result<StreamIds> ensure_stream(const Destination& destination, std::int64_t now_ms);
  Status insert_events(const StreamIds& ids, const std::vector<NewEvent>& events, std::int64_t now_ms);
  Status remember_source(const SourceOutput& output);
  Status keep_bounds();
  Result<std::uint64_t> remove_oldest(std::int64_t stream, std::size_t count, std::int64_t before_ms);
  Status trim(std::int64_t stream, std::uint64_t bytes_max);
  Status expire_stream(std::int64_t stream, std::int64_t before_ms);
  Result<std::int64_t> require_group(store::SqliteConnection& connection,
                                     const std::string& account,
                                     const std::string& name) const;
  Result<std::vector<std::pair<std::int64_t, std::string>>> wanted_streams(std::int64_t group,
                                                                           const Search& search) const;

  Clock& clock_;
  const Options options_;

  std::mutex writing_;
  std::unique_ptr<store::SqliteConnection> writer_;  // guarded by writing_
  std::uint64_t total_bytes_ = 0;                    // guarded by writing_

  std::mutex reading_;
  std::unique_ptr<store::SqliteConnection> reader_;  // guarded by reading_
};

}  // namespace dormouse::logs
