// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace dormouse::api {

// The nextToken of listings: a position, signed (HMAC-SHA-256) together with what the listing was asked for, so that it
// can be neither altered nor used for another account, operation or filter, and valid for a day. URL-safe without
// escaping. Thread-safe.
class PageTokens {
 public:
  static constexpr std::chrono::hours kLifetime{24};

  PageTokens(std::string key, const Clock& clock) : key_(std::move(key)), clock_(clock) {}

  // `scope` names account, operation and filters.
  std::string issue(std::string_view scope, std::string_view position) const;
  // The position; nothing if the token is not ours, of another scope, or expired.
  std::optional<std::string> open(std::string_view scope, std::string_view token) const;

 private:
  const std::string key_;
  const Clock& clock_;
};

}  // namespace dormouse::api
