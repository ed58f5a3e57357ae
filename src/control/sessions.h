// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace dormouse::control {

// Temporary credentials. Nothing is recorded of them: the session token says whose they are and until when, under a
// signature (HMAC-SHA-256) of this server, and the secret is derived from the token with the same key. So any number may be
// issued, they outlive the process, and they cost no disk. Immutable; thread-safe.
class Sessions {
 public:
  explicit Sessions(std::string key) : key_(std::move(key)) {}

  struct Session {
    std::string access_key;  // "ASIA..."
    std::string account;
    std::string role_name;
    std::string role_id;
    std::string name;  // RoleSessionName
    WallTime expires_at;
  };
  struct Issued {
    Session session;
    std::string secret;
    std::string token;
  };

  // `session` without its access key.
  Issued issue(Session session) const;

  // Nothing if the token was not issued by this server. Its expiry is not looked at.
  struct Opened {
    Session session;
    std::string secret;
  };
  std::optional<Opened> open(std::string_view token) const;

 private:
  std::string secret_of(std::string_view content) const;

  const std::string key_;
};

}  // namespace dormouse::control
