// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "aws/auth_failure.h"
#include "base/clock.h"

namespace dormouse::aws {

struct Credential {
  std::string access_key;
  std::string secret;
  std::string account{};        // that its holder acts for
  std::string session_token{};  // of temporary credentials
  // Who its holder is, as GetCallerIdentity says; empty: the account itself.
  std::string arn{};
  std::string user_id{};
  bool administrator = false;  // may manage the accounts of this server
};

// Whom SigV4 knows. Thread-safe; may block on the disk.
class CredentialStore {
 public:
  virtual ~CredentialStore() = default;
  // `session_token` is what the request has as X-Amz-Security-Token, or empty. kUnknownAccessKey; kInvalidSessionToken for
  // a token that is not this key's, or is missing; kTokenExpired.
  virtual tl::expected<Credential, AuthFailureKind> find(std::string_view access_key,
                                                         std::string_view session_token,
                                                         WallTime now) const = 0;
};

// `credential`, a key without a session, if it is the one asked for: the usual end of CredentialStore::find().
inline tl::expected<Credential, AuthFailureKind> lasting_credential(const Credential* credential,
                                                                    std::string_view session_token) {
  if (credential == nullptr) {
    return tl::unexpected(AuthFailureKind::kUnknownAccessKey);
  }
  if (!session_token.empty()) {
    return tl::unexpected(AuthFailureKind::kInvalidSessionToken);
  }
  return *credential;
}

// A new access key: `prefix` ("AKIA", or "ASIA" for temporary ones), then 16 random characters; and a random secret of 40.
std::string new_access_key(std::string_view prefix);
std::string new_secret();

}  // namespace dormouse::aws
