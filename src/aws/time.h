// SPDX-License-Identifier: Apache-2.0
//
// The spellings of a point in time on AWS wires. All are UTC; parsing accepts exactly the form that formatting makes,
// in the years 1970 to 2200.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace dormouse::aws {

std::string to_iso8601_basic(WallTime time);  // "20260102T030405Z", X-Amz-Date
std::optional<WallTime> from_iso8601_basic(std::string_view text);

std::string to_iso8601_milliseconds(WallTime time);  // "2026-01-02T03:04:05.678Z", S3's XML
std::string to_http_date(WallTime time);             // "Fri, 02 Jan 2026 03:04:05 GMT", RFC 9110 section 5.6.7
std::optional<WallTime> from_http_date(std::string_view text);

double to_epoch_seconds(WallTime time);  // with fraction, to the millisecond

}  // namespace dormouse::aws
