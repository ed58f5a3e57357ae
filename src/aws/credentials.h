// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dormouse::aws {

struct Credential {
  std::string access_key;
  std::string secret;
  std::string account;  // that its holder acts for
};

// Whom SigV4 knows. Thread-safe.
class CredentialStore {
 public:
  virtual ~CredentialStore() = default;
  virtual std::optional<Credential> find(std::string_view access_key) const = 0;
};

}  // namespace dormouse::aws
