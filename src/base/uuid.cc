// SPDX-License-Identifier: Apache-2.0

#include "base/uuid.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

namespace dormouse {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr bool is_dash_position(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

std::string make_uuid() {
  std::array<std::uint8_t, 16> bytes{};
  ssize_t got = -1;
  do {
    got = ::getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(bytes.size())) {  // up to 256 bytes come whole or not at all
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0FU) | 0x40U);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3FU) | 0x80U);
  std::string text;
  text.reserve(36);
  for (const std::uint8_t byte : bytes) {
    if (is_dash_position(text.size())) {
      text += '-';
    }
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0x0FU];
  }
  return text;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) {
    return false;
  }
  for (std::size_t position = 0; position < text.size(); ++position) {
    const bool right =
        is_dash_position(position) ? text[position] == '-' : kDigits.find(text[position]) != std::string_view::npos;
    if (!right) {
      return false;
    }
  }
  return true;
}

}  // namespace dormouse
