// SPDX-License-Identifier: Apache-2.0

#include "api/uri.h"

#include <algorithm>

#include "api/utf8.h"
#include "aws/encoding.h"

namespace dormouse::api {
std::optional<std::string> decode_label(std::string_view segment) {
  std::optional<std::string> decoded = aws::percent_decode(segment);
  return decoded && is_utf8(*decoded) ? decoded : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return pieces;
    }
    text.remove_prefix(end + 1);
  }
}

std::optional<std::vector<Parameter>> parse_query(std::string_view query) {
  std::vector<Parameter> parameters;
  for (const std::string_view piece : split(query, '&')) {
    auto decoded = aws::parse_query(piece);
    if (!decoded) {
      return std::nullopt;
    }
    for (auto& [name, value] : *decoded) {
      if (!is_utf8(name) || !is_utf8(value)) {
        return std::nullopt;
      }
      const bool raw_equals = std::count(piece.begin(), piece.end(), '=') > 1;
      parameters.push_back({std::move(name), std::move(value), raw_equals});
    }
  }
  return parameters;
}

}  // namespace dormouse::api
