// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "tracing/trace_parent.h"

namespace dormouse::tracing {

// A span that has ended.
struct SpanRecord {
  const char* name = "";  // lives for ever, as does `outcome`
  std::string_view outcome;
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::chrono::nanoseconds begin{};  // since the begin of the operation
  std::chrono::nanoseconds duration{};
};

enum class Direction { kRead, kWritten };

// One launch, one suspension, ...: what Trace and Span report to. telemetry::Telemetry makes them. Thread-safe; nothing
// blocks.
class Operation {
 public:
  Operation() = default;
  virtual ~Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  virtual SteadyTime now() const = 0;
  virtual SteadyTime begin() const = 0;
  virtual std::uint64_t next_id() = 0;
  virtual TraceParent position() const = 0;  // of the operation itself

  virtual void add(const SpanRecord& span) = 0;
  virtual void count_bytes(Direction direction, std::uint64_t bytes) = 0;
  virtual void count_slow_path(const char* reason) = 0;
  virtual void first_byte() = 0;
  virtual void finish(std::string_view outcome) = 0;
};

}  // namespace dormouse::tracing
