// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "control/images.h"
#include "control/records.h"
#include "control/service_error.h"
#include "control/sessions.h"
#include "store/identity_store.h"

namespace dormouse::control {

struct Role {
  std::string account;
  std::string name;
  std::string role_id;  // "AROA..."
  std::string path = "/";
  std::string trust_policy;  // AssumeRolePolicyDocument, as it was given
  std::optional<std::string> description;
  int max_session_seconds = 3600;
  Tags tags;
  std::map<std::string, std::string> policies;  // inline ones: name and document
  std::vector<std::string> attached_policies;   // ARNs, in the order of attaching
  WallTime created_at;
};
std::string role_arn(const Role& role);

// The roles of `iam` and the sessions of `sts`. Policies are kept as they came and not evaluated: who may act for an account
// may assume all of its roles, and a session may do everything in its account.
//
// Errors are those of IAM: kResourceNotFound (NoSuchEntity), kConflict (EntityAlreadyExists), kDeleteConflict,
// kServiceQuotaExceeded (LimitExceeded), kMalformedPolicy, kValidation, kAccessDenied. Thread-safe; calls block on the store.
class Roles {
 public:
  static constexpr std::size_t kRolesMax = 1000;            // of one account, as IAM's quota
  static constexpr std::size_t kInlineBytesMax = 10'240;    // of all inline policies of a role, white space not counted
  static constexpr std::size_t kAttachedMax = 10;           // policies of a role
  static constexpr std::size_t kTrustPolicyMax = 2048;      // characters, white space not counted
  static constexpr std::chrono::seconds kChainedMax{3600};  // of a session that a session asked for

  Roles(store::IdentityStore& store, const Sessions& sessions, const Clock& clock)
      : store_(store), sessions_(sessions), clock_(clock) {}

  Answer<Role> create(Role role);  // without id and time
  Answer<Role> get(const std::string& account, const std::string& name) const;
  // By name.
  Answer<Page<Role>> list(const std::string& account, std::size_t limit, const std::optional<std::string>& after) const;
  Answer<void> remove(const std::string& account, const std::string& name);

  Answer<void> put_policy(const std::string& account,
                          const std::string& role,
                          const std::string& policy,
                          const std::string& document);
  Answer<std::string> get_policy(const std::string& account, const std::string& role, const std::string& policy) const;
  Answer<void> delete_policy(const std::string& account, const std::string& role, const std::string& policy);
  Answer<void> attach(const std::string& account, const std::string& role, const std::string& policy_arn);
  Answer<void> detach(const std::string& account, const std::string& role, const std::string& policy_arn);

  struct Assumption {
    std::string caller_account;
    std::string caller_arn;
    bool chained = false;  // the caller is a session itself
    std::string role_arn;
    std::string session_name;
    std::optional<int> duration_seconds;
  };
  struct Assumed {
    Role role;
    Sessions::Issued issued;
  };
  Answer<Assumed> assume(const Assumption& assumption) const;

 private:
  template <typename Change>
  Answer<void> change(const std::string& account, const std::string& name, Change change);

  store::IdentityStore& store_;
  const Sessions& sessions_;
  const Clock& clock_;
  std::mutex mutex_;  // held by everything that changes a record
};

}  // namespace dormouse::control
