// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <stdexcept>

#include "api/token_issuer.h"
#include "proxy/token.h"

namespace dormouse::daemon {

// Lets the API make the tokens that the endpoint accepts, without the two knowing each other. Thread-safe.
class TokenIssuer final : public api::TokenIssuer {
 public:
  explicit TokenIssuer(const proxy::TokenKeyring& keyring) : keyring_(keyring) {}

  std::string issue(const std::string& microvm_id,
                    const std::string& account,
                    const std::vector<api::PortRange>& ports,
                    WallTime expiry) override {
    proxy::TokenClaims claims = claims_for(proxy::TokenKind::kHttp, microvm_id, account, expiry);
    for (const api::PortRange& range : ports) {
      claims.ports.push_back(proxy::PortRange{range.first, range.last});
    }
    return sealed(claims);
  }

  std::string issue_shell(const std::string& microvm_id, const std::string& account, WallTime expiry) override {
    return sealed(claims_for(proxy::TokenKind::kShell, microvm_id, account, expiry));
  }

 private:
  static proxy::TokenClaims claims_for(proxy::TokenKind kind,
                                       const std::string& microvm_id,
                                       const std::string& account,
                                       WallTime expiry) {
    proxy::TokenClaims claims;
    claims.kind = kind;
    claims.account = account;
    claims.microvm_id = microvm_id;
    claims.expires_at = expiry;
    return claims;
  }

  std::string sealed(const proxy::TokenClaims& claims) const {
    auto token = keyring_.issue(claims);
    if (!token) {
      throw std::runtime_error(token.error().message());
    }
    return *std::move(token);
  }

  const proxy::TokenKeyring& keyring_;
};

}  // namespace dormouse::daemon
