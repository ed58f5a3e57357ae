// SPDX-License-Identifier: Apache-2.0
//
// What is kept: events in streams in groups, as CloudWatch Logs has them. Plain values. Times are milliseconds since 1970,
// UTC, as on the wire; messages are the bytes that a guest wrote, which need not be UTF-8.

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace dormouse::logs {

// Where events go. Both names are unique within what contains them: accounts do not see each other's.
struct Destination {
  std::string account;
  std::string group;
  std::string stream;

  bool operator==(const Destination&) const = default;
};

struct NewEvent {
  std::int64_t timestamp_ms = 0;
  std::string message;

  bool operator==(const NewEvent&) const = default;
};

// The place of an event among all: events are in order of their times, those of one time in the order in which they came.
struct Position {
  std::int64_t timestamp_ms = 0;
  std::int64_t id = 0;  // never given twice, from 1 on

  auto operator<=>(const Position&) const = default;
};

struct StoredEvent {
  Position position;
  std::int64_t ingestion_ms = 0;
  std::string stream;
  std::string message;
};

struct LogGroup {
  std::string name;
  std::int64_t created_ms = 0;
  std::optional<int> retention_days;  // none: as long as the daemon keeps anything
  std::uint64_t stored_bytes = 0;
};

struct LogStream {
  std::string name;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> first_event_ms;
  std::optional<std::int64_t> last_event_ms;
  std::optional<std::int64_t> last_ingestion_ms;
  std::uint64_t stored_bytes = 0;
};

// What an event counts for in every limit on bytes: its message and what comes with it.
inline constexpr std::uint64_t kEventOverheadBytes = 64;
inline std::uint64_t cost_of(const std::string& message) { return message.size() + kEventOverheadBytes; }

inline std::int64_t to_milliseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace dormouse::logs
