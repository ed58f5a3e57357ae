// SPDX-License-Identifier: Apache-2.0

#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace dormouse::log {
namespace {

std::atomic<Level> least_level{Level::kInfo};

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarning: return "warning";
    case Level::kError: return "error";
  }
  return "?";
}

// A value in one line: quoted when it holds a space, a quote or a control character.
std::string printable(std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \"\n\r\t=") == std::string_view::npos;
  if (plain) {
    return std::string(value);
  }
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

void set_level(Level least) { least_level = least; }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < least_level.load()) {
    return;
  }
  const auto now = std::chrono::system_clock::now();
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::string line = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {} {}",
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                                 milliseconds,
                                 name(level),
                                 message);
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}={}", key, printable(value));
  }
  line += '\n';
  // One write(2) a line: lines of several threads never mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace dormouse::log
