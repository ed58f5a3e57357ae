// SPDX-License-Identifier: Apache-2.0

#include "api/uri.h"

#include <algorithm>
#include <cstdint>

#include "aws/encoding.h"

namespace dormouse::api {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Bytes of the well-formed sequence (RFC 3629) that `text` begins with; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) {
    return 1;
  }
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length ||
      !std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length), is_continuation)) {
    return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool beyond = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

std::size_t count_characters(std::string_view utf8) {
  return utf8.size() - static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), is_continuation));
}

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
