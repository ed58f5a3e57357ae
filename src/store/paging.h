// SPDX-License-Identifier: Apache-2.0
//
// Listings in pages, newest first.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/rows.h"

namespace dormouse::store {

// The position of a row in a listing by time: "<microseconds>:<id>".
struct TimePosition {
  std::int64_t created_at = 0;
  std::string id;

  static TimePosition of(WallTime created_at, const std::string& id);
  std::string text() const;
  // Nothing: before the newest. kInvalidArgument for what is none.
  static Result<TimePosition> parse(const std::optional<std::string>& text);

  auto operator<=>(const TimePosition&) const = default;
};

// Cuts `rows`, of which one more than the page holds was asked for, to a page.
template <typename Row, typename Position>
RowPage<Row> cut_page(std::vector<Row> rows, const PageRequest& page, Position position) {
  RowPage<Row> result{std::move(rows), std::nullopt};
  if (result.rows.size() > page.limit) {
    result.rows.resize(page.limit);
    if (!result.rows.empty()) {
      result.next = position(result.rows.back());
    }
  }
  return result;
}

}  // namespace dormouse::store
