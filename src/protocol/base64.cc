// SPDX-License-Identifier: Apache-2.0

#include "protocol/base64.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace dormouse::protocol {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

tl::unexpected<Error> malformed() { return fail(ErrorKind::kInvalidArgument, "not canonical base64"); }

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t present = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < present ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text.push_back(k <= present ? kAlphabet[group >> (18 - 6 * k) & 63U] : '=');
    }
  }
  return text;
}

Result<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return malformed();
  }
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto digit = k < 4 - padding ? kAlphabet.find(text[i + k]) : 0;
      if (digit == std::string_view::npos) {
        return malformed();
      }
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t k = 0; k < 3; ++k) {
      const auto byte = static_cast<unsigned char>(group >> (16 - 8 * k) & 255U);
      if (k < 3 - padding) {
        bytes.push_back(static_cast<char>(byte));
      } else if (byte != 0) {
        return malformed();
      }
    }
  }
  return bytes;
}

}  // namespace dormouse::protocol
