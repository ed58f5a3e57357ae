// SPDX-License-Identifier: Apache-2.0
//
// The daemon's operator log: one line an event, to standard error, as text "time level message key=value ...".
// Thread-safe. Never holds tenant secrets (tokens, payloads, environment values).

#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace dormouse::log {

enum class Level { kDebug, kInfo, kWarning, kError };

using Field = std::pair<std::string_view, std::string>;

void set_level(Level least);
void write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace dormouse::log
