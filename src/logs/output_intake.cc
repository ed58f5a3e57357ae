// SPDX-License-Identifier: Apache-2.0

#include "logs/output_intake.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace dormouse::logs {

namespace {

constexpr double kRecoveredShare = 0.25;            // of the allowance, from which on a flood counts as over
constexpr std::size_t kLastLinesBytes = 8U << 10U;  // of a flood that are kept

}  // namespace

OutputIntake::OutputIntake(IntakeLimits limits, std::optional<std::uint64_t> next_offset)
    : limits_(limits),
      cutter_(limits.line_bytes_max),
      next_offset_(next_offset),
      allowance_bytes_(static_cast<double>(limits.pending_bytes_max)) {}

void OutputIntake::refill(SteadyTime now) {
  const std::chrono::duration<double> passed = now - refilled_at_.value_or(now);
  refilled_at_ = now;
  allowance_bytes_ = std::min(allowance_bytes_ + passed.count() * static_cast<double>(limits_.bytes_per_second),
                              static_cast<double>(limits_.pending_bytes_max));
  if (dropping_ && pending_bytes_ <= limits_.pending_bytes_max / 2 &&
      allowance_bytes_ >= kRecoveredShare * static_cast<double>(limits_.pending_bytes_max)) {
    dropping_ = false;
  }
}

void OutputIntake::add(std::string message, std::int64_t timestamp_ms) {
  pending_bytes_ += cost_of(message);
  events_.push_back({timestamp_ms, std::move(message)});
}

void OutputIntake::drop(std::string line) {
  last_bytes_ += cost_of(line);
  last_.push_back(std::move(line));
  while (last_bytes_ > std::min(kLastLinesBytes, limits_.pending_bytes_max / 8)) {
    const std::string& first = last_.front();
    ++dropped_lines_;
    dropped_bytes_ += first.size();
    last_bytes_ -= cost_of(first);
    last_.pop_front();
  }
}

// What was lost and dropped becomes an event, and what was kept of a flood's end comes after it.
void OutputIntake::end_drops(std::int64_t timestamp_ms) {
  const auto report = [&](std::string message) {
    allowance_bytes_ -= static_cast<double>(cost_of(message));
    add(std::move(message), timestamp_ms);
  };
  if (const std::uint64_t lost = std::exchange(lost_bytes_, 0); lost > 0) {
    report(
        fmt::format("[dormouse: {} bytes of output were lost here: written faster than they could be fetched]", lost));
  }
  if (const std::uint64_t lines = std::exchange(dropped_lines_, 0); lines > 0) {
    report(fmt::format("[dormouse: {} lines ({} bytes) of output were dropped here: only {} KiB a second are kept]",
                       lines,
                       std::exchange(dropped_bytes_, 0),
                       limits_.bytes_per_second >> 10U));
  }
  for (std::string& line : last_) {
    report(std::move(line));
  }
  last_.clear();
  last_bytes_ = 0;
}

void OutputIntake::take_line(std::string line, bool room, std::int64_t timestamp_ms) {
  const auto cost = static_cast<double>(cost_of(line));
  if (!room || cost > allowance_bytes_ || pending_bytes_ + cost_of(line) > limits_.pending_bytes_max) {
    dropping_ = true;
  }
  if (dropping_) {
    drop(std::move(line));
    return;
  }
  allowance_bytes_ -= cost;
  end_drops(timestamp_ms);
  add(std::move(line), timestamp_ms);
}

void OutputIntake::take(const OutputPiece& piece, bool room, WallTime wall, SteadyTime now) {
  refill(now);
  const std::int64_t timestamp_ms = to_milliseconds(wall);
  std::string_view bytes = piece.bytes;
  const std::uint64_t end = piece.offset + bytes.size();
  const std::uint64_t reached = next_offset_.value_or(piece.offset - std::min(piece.offset, piece.lost));
  if (end <= reached) {
    return;
  }
  const auto keep = [&](std::string line) { take_line(std::move(line), room, timestamp_ms); };
  if (piece.offset > reached) {
    cutter_.flush(keep);
    lost_bytes_ += piece.offset - reached;
  } else {
    bytes.remove_prefix(reached - piece.offset);
  }
  next_offset_ = end;
  cutter_.feed(bytes, keep);
  if (cutter_.pending_bytes() == 0) {
    partial_since_.reset();
  } else if (!partial_since_ || bytes.size() > cutter_.pending_bytes()) {
    partial_since_ = now;
  }
}

void OutputIntake::age(WallTime wall, SteadyTime now) {
  refill(now);
  const std::int64_t timestamp_ms = to_milliseconds(wall);
  if (!dropping_) {
    end_drops(timestamp_ms);
  }
  if (partial_since_ && now - *partial_since_ >= limits_.partial_line_age) {
    cutter_.flush([&](std::string line) { take_line(std::move(line), true, timestamp_ms); });
    partial_since_.reset();
  }
}

void OutputIntake::finish(WallTime wall) {
  const std::int64_t timestamp_ms = to_milliseconds(wall);
  cutter_.flush([&](std::string line) { take_line(std::move(line), true, timestamp_ms); });
  partial_since_.reset();
  end_drops(timestamp_ms);
}

void OutputIntake::restart(WallTime wall) {
  finish(wall);
  next_offset_.reset();
}

void OutputIntake::not_stored(const std::vector<NewEvent>& events) {
  for (const NewEvent& event : events) {
    ++dropped_lines_;
    dropped_bytes_ += event.message.size();
  }
}

std::vector<NewEvent> OutputIntake::take_events() {
  pending_bytes_ = 0;
  return std::exchange(events_, {});
}

std::optional<std::uint64_t> OutputIntake::settled_offset() const {
  return next_offset_ ? std::optional(*next_offset_ - cutter_.pending_bytes()) : std::nullopt;
}

}  // namespace dormouse::logs
