// SPDX-License-Identifier: Apache-2.0

#include "proxy/base64url.h"

#include <cstdint>

namespace dormouse::proxy {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char byte : bytes) {
    pending = pending << 8 | static_cast<std::uint8_t>(byte);
    for (pending_bits += 8; pending_bits >= 6; pending_bits -= 6) {
      result.push_back(kAlphabet[pending >> (pending_bits - 6) & 63]);
    }
  }
  if (pending_bits > 0) {
    result.push_back(kAlphabet[pending << (6 - pending_bits) & 63]);
  }
  return result;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string result;
  result.reserve(text.size() * 3 / 4);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char character : text) {
    const std::size_t value = kAlphabet.find(character);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    pending = pending << 6 | static_cast<std::uint32_t>(value);
    pending_bits += 6;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      result.push_back(static_cast<char>(pending >> pending_bits & 0xff));
    }
  }
  if ((pending & ((1U << pending_bits) - 1)) != 0) {
    return std::nullopt;
  }
  return result;
}

}  // namespace dormouse::proxy
