// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tracing/trace_parent.h"

namespace dormouse::telemetry {

// A span that has ended, whole: what is told to other programs.
struct FinishedSpan {
  std::string name;
  tracing::TraceParent position;  // of this span
  std::uint64_t parent_span = 0;  // 0: none
  bool is_server = false;         // it answered a request from outside
  std::int64_t begin_unix_ns = 0;
  std::int64_t end_unix_ns = 0;
  std::string outcome;  // "ok", or why not
  std::vector<std::pair<std::string, std::string>> attributes;
};

// Where finished spans go. Thread-safe; must not block.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void take(FinishedSpan span) = 0;
};

}  // namespace dormouse::telemetry
