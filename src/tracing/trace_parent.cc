// SPDX-License-Identifier: Apache-2.0

#include "tracing/trace_parent.h"

#include <charconv>

#include <fmt/format.h>

namespace dormouse::tracing {
namespace {

constexpr std::size_t kLength = 55;  // "00-<32>-<16>-<2>"

// Exactly lower-case hexadecimal digits, which std::from_chars alone does not insist on.
std::optional<std::uint64_t> hexadecimal(std::string_view digits) {
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const auto version = hexadecimal(text.substr(0, 2));
  const auto high = hexadecimal(text.substr(3, 16));
  const auto low = hexadecimal(text.substr(19, 16));
  const auto span = hexadecimal(text.substr(36, 16));
  const auto flags = hexadecimal(text.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xff) {
    return std::nullopt;
  }
  // Later versions may say more behind another dash.
  if (text.size() > kLength && (*version == 0 || text[kLength] != '-')) {
    return std::nullopt;
  }
  const TraceParent position{*high, *low, *span, (*flags & 1U) != 0};
  return position ? std::optional(position) : std::nullopt;
}

std::string format_trace_id(const TraceParent& position) {
  return fmt::format("{:016x}{:016x}", position.trace_high, position.trace_low);
}

std::string format_span_id(std::uint64_t span) { return fmt::format("{:016x}", span); }

std::string format_traceparent(const TraceParent& position) {
  return fmt::format(
      "00-{}-{}-{}", format_trace_id(position), format_span_id(position.span), position.sampled ? "01" : "00");
}

}  // namespace dormouse::tracing
