// SPDX-License-Identifier: Apache-2.0

#include "store/paging.h"

#include <charconv>
#include <limits>

#include <fmt/core.h>

#include "store/table.h"

namespace dormouse::store {

TimePosition TimePosition::of(WallTime created_at, const std::string& id) { return {to_number(created_at), id}; }

std::string TimePosition::text() const { return fmt::format("{}:{}", created_at, id); }

Result<TimePosition> TimePosition::parse(const std::optional<std::string>& text) {
  TimePosition position{std::numeric_limits<std::int64_t>::max(), ""};
  if (!text) {
    return position;
  }
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, position.created_at);
  if (error != std::errc() || rest == end || *rest != ':') {
    return fail(ErrorKind::kInvalidArgument, fmt::format("page position '{}': not one of this listing", *text));
  }
  position.id.assign(rest + 1, end);
  return position;
}

}  // namespace dormouse::store
