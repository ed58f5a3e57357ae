// SPDX-License-Identifier: Apache-2.0

#include "cli/log_time.h"

#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "aws/time.h"

namespace dormouse::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kCountMax = 1'000'000;

std::optional<std::int64_t> unit_milliseconds(char unit) {
  switch (unit) {
    case 's': return 1'000;
    case 'm': return 60'000;
    case 'h': return 3'600'000;
    case 'd': return 86'400'000;
    case 'w': return 604'800'000;
    default: return std::nullopt;
  }
}

// Takes digits from the front of `text`, and what follows them.
std::optional<int> take(std::string_view& text, std::size_t digits, std::string_view after) {
  int number = 0;
  if (text.size() < digits + after.size()) {
    return std::nullopt;
  }
  const std::string_view front = text.substr(0, digits);
  const auto [end, error] = std::from_chars(front.data(), front.data() + front.size(), number);
  if (error != std::errc() || end != front.data() + front.size() || text.substr(digits, after.size()) != after) {
    return std::nullopt;
  }
  text.remove_prefix(digits + after.size());
  return number;
}

std::optional<std::int64_t> parse_moment(std::string_view text) {
  const auto year = take(text, 4, "-");
  const auto month = take(text, 2, "-");
  const auto day = take(text, 2, "");
  if (!year || !month || !day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) {
    return std::nullopt;
  }
  milliseconds time(0);
  if (!text.empty()) {
    text.remove_prefix(text.front() == 'T' ? 1 : 0);
    const auto hour = take(text, 2, ":");
    const auto minute = take(text, 2, ":");
    const auto second = take(text, 2, "");
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59 || (!text.empty() && text != "Z")) {
      return std::nullopt;
    }
    time = std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  }
  return std::chrono::duration_cast<milliseconds>(std::chrono::sys_days(date).time_since_epoch() + time).count();
}

}  // namespace

Result<std::int64_t> parse_log_time(std::string_view text, std::string_view option, WallTime now) {
  const auto unit = text.empty() ? std::nullopt : unit_milliseconds(text.back());
  std::int64_t count = 0;
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (unit && error == std::errc() && end == digits.data() + digits.size() && count >= 0 && count <= kCountMax) {
    return std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count() - count * *unit;
  }
  if (const auto moment = parse_moment(text)) {
    return *moment;
  }
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("{} '{}': write how long ago, such as 30s, 10m, 2h, 3d or 1w, or a time in UTC, such as "
                          "2026-11-22T10:00:00",
                          option,
                          text));
}

Result<LogPeriod> parse_log_period(const std::string& since, const std::string& until, WallTime now) {
  LogPeriod period;
  DM_ASSIGN(period.since, parse_log_time(since, "--since", now), "");
  if (until.empty()) {
    return period;
  }
  DM_ASSIGN(period.until, parse_log_time(until, "--until", now), "");
  if (*period.until < period.since) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("--until '{}' is before --since '{}': name an earlier --since", until, since));
  }
  return period;
}

std::string log_time_text(std::int64_t time) { return aws::to_iso8601_milliseconds(WallTime(milliseconds(time))); }

}  // namespace dormouse::cli
