// SPDX-License-Identifier: Apache-2.0

#include "aws/time.h"

#include <array>
#include <chrono>
#include <cstddef>

#include <fmt/core.h>

namespace dormouse::aws {

namespace {

namespace chrono = std::chrono;

constexpr std::array<std::string_view, 12> kMonths = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// WallTime counts nanoseconds in 64 bits, which end in the year 2262.
constexpr int kYearMin = 1970, kYearMax = 2200;

struct Parts {
  int year = 0;
  unsigned month = 0, day = 0;
  unsigned hour = 0, minute = 0, second = 0, millisecond = 0;
  unsigned weekday = 0;
};

Parts split(WallTime time) {
  const auto milliseconds = chrono::floor<chrono::milliseconds>(time);
  const auto days = chrono::floor<chrono::days>(milliseconds);
  const chrono::year_month_day date(days);
  const chrono::hh_mm_ss clock(milliseconds - days);
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .hour = static_cast<unsigned>(clock.hours().count()),
          .minute = static_cast<unsigned>(clock.minutes().count()),
          .second = static_cast<unsigned>(clock.seconds().count()),
          .millisecond = static_cast<unsigned>(clock.subseconds().count()),
          .weekday = chrono::weekday(days).c_encoding()};
}

std::optional<WallTime> join(const Parts& parts) {
  const chrono::year_month_day date(chrono::year(parts.year), chrono::month(parts.month), chrono::day(parts.day));
  if (parts.year < kYearMin || parts.year > kYearMax || !date.ok() || parts.hour > 23 || parts.minute > 59 ||
      parts.second > 59) {
    return std::nullopt;
  }
  return chrono::sys_days(date) + chrono::hours(parts.hour) + chrono::minutes(parts.minute) +
         chrono::seconds(parts.second);
}

// The number in text[position, position + size); none if something else is there.
std::optional<unsigned> number(std::string_view text, std::size_t position, std::size_t size) {
  unsigned value = 0;
  for (const char c : text.substr(position, size)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = 10 * value + static_cast<unsigned>(c - '0');
  }
  return value;
}

}  // namespace

std::string to_iso8601_basic(WallTime time) {
  const Parts p = split(time);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", p.year, p.month, p.day, p.hour, p.minute, p.second);
}

std::optional<WallTime> from_iso8601_basic(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') {
    return std::nullopt;
  }
  const auto year = number(text, 0, 4), month = number(text, 4, 2), day = number(text, 6, 2);
  const auto hour = number(text, 9, 2), minute = number(text, 11, 2), second = number(text, 13, 2);
  if (!year || !month || !day || !hour || !minute || !second) {
    return std::nullopt;
  }
  return join({.year = static_cast<int>(*year),
               .month = *month,
               .day = *day,
               .hour = *hour,
               .minute = *minute,
               .second = *second});
}

std::string to_iso8601_milliseconds(WallTime time) {
  const Parts p = split(time);
  return fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", p.year, p.month, p.day, p.hour, p.minute, p.second, p.millisecond);
}

std::string to_http_date(WallTime time) {
  const Parts p = split(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[p.weekday],
                     p.day,
                     kMonths[p.month - 1],
                     p.year,
                     p.hour,
                     p.minute,
                     p.second);
}

std::optional<WallTime> from_http_date(std::string_view text) {
  if (text.size() != 29 || text[3] != ',' || text.substr(25) != " GMT" || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  unsigned month = 0;
  while (month < kMonths.size() && kMonths[month] != text.substr(8, 3)) {
    ++month;
  }
  const auto day = number(text, 5, 2), year = number(text, 12, 4);
  const auto hour = number(text, 17, 2), minute = number(text, 20, 2), second = number(text, 23, 2);
  if (month == kMonths.size() || !day || !year || !hour || !minute || !second) {
    return std::nullopt;
  }
  return join({.year = static_cast<int>(*year),
               .month = month + 1,
               .day = *day,
               .hour = *hour,
               .minute = *minute,
               .second = *second});
}

double to_epoch_seconds(WallTime time) {
  return static_cast<double>(chrono::floor<chrono::milliseconds>(time.time_since_epoch()).count()) / 1000.0;
}

}  // namespace dormouse::aws
