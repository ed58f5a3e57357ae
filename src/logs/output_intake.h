// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "logs/line_cutter.h"
#include "logs/log_event.h"

namespace dormouse::logs {

// What one source may write. A guest writes as fast as it can: what is beyond is dropped and counted.
struct IntakeLimits {
  std::size_t line_bytes_max = 32U << 10U;
  std::size_t pending_bytes_max = 4U << 20U;  // not stored yet; also what may come at once
  std::uint64_t bytes_per_second = 512U << 10U;
  std::chrono::milliseconds partial_line_age{2'000};  // after which a line without an end becomes an event
};

// Output as it comes from one source.
struct OutputPiece {
  std::uint64_t offset = 0;  // of bytes[0] in all that the source ever wrote
  std::uint64_t lost = 0;    // bytes before it that nobody could fetch in time; counts for the first piece alone
  std::string_view bytes;
};

// Turns the output of one source into events: lines, within limits. No I/O, no thread.
//
// The source may tell what it has told before (it is asked again after a restart): bytes before the offset that is reached
// are left out, and a gap after it is reported as lost. What was dropped or lost shows as an event in its place; dropping,
// once begun, goes on until the source has been slow for a moment, so that a flood gets few such events. A flood's last lines,
// which often say why, are kept.
//
// Invariant: stored once each, the events taken so far cover the source's bytes from the first to settled_offset().
class OutputIntake {
 public:
  // `next_offset`: where the source was up to; nothing: whatever comes first begins it.
  OutputIntake(IntakeLimits limits, std::optional<std::uint64_t> next_offset);

  // With `room` false, for want of memory elsewhere, all lines of the piece are dropped.
  void take(const OutputPiece& piece, bool room, WallTime wall, SteadyTime now);
  // A flood's end, and a line whose end does not come, become events.
  void age(WallTime wall, SteadyTime now);
  // There will be no more.
  void finish(WallTime wall);
  // The source goes on from some other place of its output, earlier perhaps: whatever comes next begins it.
  void restart(WallTime wall);
  // Events that were taken could not be stored.
  void not_stored(const std::vector<NewEvent>& events);

  std::vector<NewEvent> take_events();  // what came since the last time
  std::optional<std::uint64_t> settled_offset() const;
  std::size_t pending_bytes() const { return pending_bytes_ + last_bytes_ + cutter_.pending_bytes(); }

 private:
  void refill(SteadyTime now);
  void take_line(std::string line, bool room, std::int64_t timestamp_ms);
  void drop(std::string line);
  void end_drops(std::int64_t timestamp_ms);
  void add(std::string message, std::int64_t timestamp_ms);

  const IntakeLimits limits_;
  LineCutter cutter_;
  std::optional<std::uint64_t> next_offset_;
  std::vector<NewEvent> events_;
  std::size_t pending_bytes_ = 0;  // cost of events_
  std::optional<SteadyTime> partial_since_;

  double allowance_bytes_;
  std::optional<SteadyTime> refilled_at_;
  bool dropping_ = false;
  std::uint64_t lost_bytes_ = 0;
  std::uint64_t dropped_lines_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  std::deque<std::string> last_;  // lines of the flood so far, as few as fit
  std::size_t last_bytes_ = 0;
};

}  // namespace dormouse::logs
