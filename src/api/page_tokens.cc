// SPDX-License-Identifier: Apache-2.0

#include "api/page_tokens.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "aws/digest.h"

namespace dormouse::api {
namespace {

constexpr std::size_t kSignatureSize = 32;
constexpr std::size_t kExpirySize = 16;  // hexadecimal seconds

// RFC 4648 section 5, without padding.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) {
      text += kAlphabet[bits >> static_cast<unsigned>(count - 6) & 63U];
    }
  }
  if (count > 0) {
    text += kAlphabet[bits << static_cast<unsigned>(6 - count) & 63U];
  }
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const std::size_t value = kAlphabet.find(digit);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xFFU);
    }
  }
  return bytes;
}

std::int64_t seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// The scope's length keeps scope and content apart.
std::string signature(std::string_view key, std::string_view scope, std::string_view content) {
  return aws::hmac_sha256(key, fmt::format("{}:{}{}", scope.size(), scope, content));
}

}  // namespace

std::string PageTokens::issue(std::string_view scope, std::string_view position) const {
  const std::string content = fmt::format("{:016x}{}", seconds(clock_.wall() + kLifetime), position);
  return to_base64url(signature(key_, scope, content) + content);
}

std::optional<std::string> PageTokens::open(std::string_view scope, std::string_view token) const {
  const std::optional<std::string> bytes = from_base64url(token);
  if (!bytes || bytes->size() < kSignatureSize + kExpirySize) {
    return std::nullopt;
  }
  const std::string_view content = std::string_view(*bytes).substr(kSignatureSize);
  if (!aws::equal_in_constant_time(std::string_view(*bytes).substr(0, kSignatureSize),
                                   signature(key_, scope, content))) {
    return std::nullopt;
  }
  std::int64_t expiry = 0;
  std::from_chars(content.data(), content.data() + kExpirySize, expiry, 16);
  if (expiry <= seconds(clock_.wall())) {
    return std::nullopt;
  }
  return std::string(content.substr(kExpirySize));
}

}  // namespace dormouse::api
