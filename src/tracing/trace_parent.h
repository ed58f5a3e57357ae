// SPDX-License-Identifier: Apache-2.0
//
// Positions in a trace as they travel between programs: W3C Trace Context, section 3.2, header `traceparent`.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse::tracing {

// A span of a trace; without one both ids are zero, which no real id is.
struct TraceParent {
  std::uint64_t trace_high = 0;
  std::uint64_t trace_low = 0;
  std::uint64_t span = 0;
  bool sampled = false;  // whoever began the trace wants it recorded

  explicit operator bool() const { return (trace_high != 0 || trace_low != 0) && span != 0; }
  bool operator==(const TraceParent&) const = default;
};

// Nothing for a text that breaks the grammar, names version ff or has an id of zeros: the trace is then to begin anew.
std::optional<TraceParent> parse_traceparent(std::string_view text);
std::string format_traceparent(const TraceParent& position);  // version 00

std::string format_trace_id(const TraceParent& position);  // 32 hexadecimal digits
std::string format_span_id(std::uint64_t span);            // 16

}  // namespace dormouse::tracing
