// SPDX-License-Identifier: Apache-2.0

#include "control/callers.h"

#include <fmt/core.h>

#include "base/log.h"

namespace dormouse::control {

using aws::AuthFailureKind;
using aws::Credential;

tl::expected<Credential, AuthFailureKind> Callers::find(std::string_view access_key,
                                                        std::string_view session_token,
                                                        WallTime now) const {
  if (access_key.starts_with("ASIA")) {
    return find_session(access_key, session_token, now);
  }
  auto found = file_.find(access_key, session_token, now);
  if (!found && found.error() == AuthFailureKind::kUnknownAccessKey) {
    found = find_lasting(access_key, session_token, now);
  }
  if (found) {
    found->administrator = found->account == administrator_;
  }
  return found;
}

tl::expected<Credential, AuthFailureKind> Callers::find_lasting(std::string_view access_key,
                                                                std::string_view session_token,
                                                                WallTime now) const {
  const auto row = store_.key(access_key);
  if (!row) {
    log::error("an access key could not be read", {{"error", row.error().message()}});
    return tl::unexpected(AuthFailureKind::kUnknownAccessKey);
  }
  if (!*row || ((*row)->expires_at && *(*row)->expires_at <= now)) {
    return tl::unexpected(AuthFailureKind::kUnknownAccessKey);
  }
  const Credential credential{(*row)->access_key, (*row)->secret, (*row)->account};
  return aws::lasting_credential(&credential, session_token);
}

// A session ends with its role, as that of an account that is gone does: the role is looked up each time.
tl::expected<Credential, AuthFailureKind> Callers::find_session(std::string_view access_key,
                                                                std::string_view session_token,
                                                                WallTime now) const {
  if (session_token.empty()) {
    return tl::unexpected(AuthFailureKind::kUnknownAccessKey);
  }
  const auto opened = sessions_.open(session_token);
  if (!opened || opened->session.access_key != access_key) {
    return tl::unexpected(AuthFailureKind::kInvalidSessionToken);
  }
  const Sessions::Session& session = opened->session;
  if (session.expires_at <= now) {
    return tl::unexpected(AuthFailureKind::kTokenExpired);
  }
  const auto role = store_.role(session.account, session.role_name);
  if (!role || !*role || (*role)->role_id != session.role_id) {
    return tl::unexpected(AuthFailureKind::kInvalidSessionToken);
  }
  Credential credential{session.access_key, opened->secret, session.account};
  credential.arn = fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", session.account, session.role_name, session.name);
  credential.user_id = fmt::format("{}:{}", session.role_id, session.name);
  return credential;
}

}  // namespace dormouse::control
