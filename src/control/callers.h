// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include "aws/credentials.h"
#include "control/sessions.h"
#include "store/identity_store.h"

namespace dormouse::control {

// Everybody whom this server knows: the keys of the credentials file, those of the accounts, and sessions of roles. Lasting
// keys of the administrator's account make an administrator, sessions never do. Thread-safe; what the constructor is given
// outlives it.
class Callers final : public aws::CredentialStore {
 public:
  Callers(const aws::CredentialStore& file,
          const store::IdentityStore& store,
          const Sessions& sessions,
          std::string administrator)
      : file_(file), store_(store), sessions_(sessions), administrator_(std::move(administrator)) {}

  tl::expected<aws::Credential, aws::AuthFailureKind> find(std::string_view access_key,
                                                           std::string_view session_token,
                                                           WallTime now) const override;

 private:
  tl::expected<aws::Credential, aws::AuthFailureKind> find_lasting(std::string_view access_key,
                                                                   std::string_view session_token,
                                                                   WallTime now) const;
  tl::expected<aws::Credential, aws::AuthFailureKind> find_session(std::string_view access_key,
                                                                   std::string_view session_token,
                                                                   WallTime now) const;

  const aws::CredentialStore& file_;
  const store::IdentityStore& store_;
  const Sessions& sessions_;
  const std::string administrator_;
};

}  // namespace dormouse::control
