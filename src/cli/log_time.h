// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace dormouse::cli {

// A moment as users write it: how long ago ("30s", "10m", "2h", "3d", "1w"), or a time in UTC ("2026-11-22",
// "2026-11-22T10:00:00", with a Z or without). Milliseconds since 1970; kInvalidArgument says what `option` takes.
Result<std::int64_t> parse_log_time(std::string_view text, std::string_view option, WallTime now);

struct LogPeriod {
  std::int64_t since = 0;
  std::optional<std::int64_t> until;  // that moment too
};

// What --since and --until name, an empty `until` for no end. kInvalidArgument when it ends before it begins.
Result<LogPeriod> parse_log_period(const std::string& since, const std::string& until, WallTime now);

// "2026-11-22T10:00:00.123Z".
std::string log_time_text(std::int64_t milliseconds);

}  // namespace dormouse::cli
