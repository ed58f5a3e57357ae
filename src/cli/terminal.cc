// SPDX-License-Identifier: Apache-2.0

#include "cli/terminal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

namespace dormouse::cli {

void Terminal::answer(std::string_view text) {
  clear_progress();
  out_ << text;
  if (!text.ends_with('\n')) {
    out_ << '\n';
  }
  out_.flush();
}

void Terminal::raw(std::string_view bytes) {
  clear_progress();
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out_.flush();
}

void Terminal::table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& title : titles) {
    widths.push_back(title.size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += i + 1 == cells.size() ? cells[i] : fmt::format("{:<{}}", cells[i], widths[i] + 2);
    }
    answer(text);
  };
  line(titles);
  std::for_each(rows.begin(), rows.end(), line);
}

void Terminal::note(std::string_view text) {
  const std::string shown = shown_;
  clear_progress();
  err_ << text << '\n';
  err_.flush();
  if (!shown.empty()) {
    progress(shown);
  }
}

void Terminal::stream(std::string_view text) {
  if (text.empty()) {
    return;
  }
  const std::string shown = shown_;
  clear_progress();
  err_ << text;
  at_line_start_ = text.ends_with('\n');
  err_.flush();
  if (!shown.empty() && at_line_start_) {
    progress(shown);
  }
}

void Terminal::progress(std::string_view text) {
  if (!interactive_ || !at_line_start_) {
    return;
  }
  err_ << "\r\x1b[K" << text;
  err_.flush();
  shown_ = text;
}

void Terminal::clear_progress() {
  if (!shown_.empty()) {
    err_ << "\r\x1b[K";
    err_.flush();
    shown_.clear();
  }
}

std::string duration_text(double seconds) {
  if (seconds < 10) {
    return fmt::format("{:.2f} s", seconds);
  }
  if (seconds < 60) {
    return fmt::format("{:.0f} s", seconds);
  }
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 3600) {
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string size_text(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits.at(unit));
}

std::string time_text(double epoch_seconds) {
  const auto seconds = static_cast<std::time_t>(epoch_seconds);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
                     parts.tm_year + 1900,
                     parts.tm_mon + 1,
                     parts.tm_mday,
                     parts.tm_hour,
                     parts.tm_min,
                     parts.tm_sec);
}

}  // namespace dormouse::cli
