// SPDX-License-Identifier: Apache-2.0

#include "artifacts/index.h"

#include <cstddef>

#include <fmt/core.h>

namespace dormouse::artifacts {

std::string to_column(const Fields& headers) {
  std::string text;
  for (const auto& [name, value] : headers) {
    text += fmt::format("{}:{}\n", name, value);
  }
  return text;
}

std::string to_column(const std::optional<StoredChecksum>& checksum) {
  if (!checksum) {
    return {};
  }
  return fmt::format(
      "{} {} {}", to_string(checksum->algorithm), checksum->full_object ? "full" : "composite", checksum->value);
}

std::int64_t to_column(WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Fields fields_from_column(std::string_view text) {
  Fields headers;
  while (!text.empty()) {
    const std::size_t colon = text.find(':'), end = text.find('\n');
    if (colon == std::string_view::npos || end == std::string_view::npos || colon > end) {
      break;
    }
    headers.emplace_back(text.substr(0, colon), text.substr(colon + 1, end - colon - 1));
    text.remove_prefix(end + 1);
  }
  return headers;
}

std::optional<StoredChecksum> checksum_from_column(std::string_view text) {
  const std::size_t first = text.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  const auto algorithm = parse_checksum_algorithm(text.substr(0, first));
  if (second == std::string_view::npos || !algorithm) {
    return std::nullopt;
  }
  return StoredChecksum{.algorithm = *algorithm,
                        .value = std::string(text.substr(second + 1)),
                        .full_object = text.substr(first + 1, second - first - 1) == "full"};
}

WallTime time_from_column(std::int64_t milliseconds) { return WallTime(std::chrono::milliseconds(milliseconds)); }

}  // namespace dormouse::artifacts
