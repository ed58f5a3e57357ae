// SPDX-License-Identifier: Apache-2.0

#include "control/roles.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "aws/arn.h"
#include "aws/credentials.h"
#include "control/document.h"
#include "control/record_codec.h"
#include "control/service_failure.h"

namespace dormouse::control {

namespace json = boost::json;

template <typename Document>
void members(Document& document, typename Document::template As<Role>& role) {
  document("path", role.path);
  document("trust_policy", role.trust_policy);
  document("description", role.description);
  document("max_session_seconds", role.max_session_seconds);
  document("tags", role.tags);
  document("policies", role.policies);
  document("attached_policies", role.attached_policies);
}

namespace {

constexpr std::string_view kManagedPolicyPrefix = "arn:aws:iam::aws:policy/";

store::RoleRow encode(const Role& role) {
  return {role.account, role.name, role.role_id, role.created_at, to_document(role)};
}

Result<Role> decode(const store::RoleRow& row) {
  Role role;
  role.account = row.account;
  role.name = row.name;
  role.role_id = row.role_id;
  role.created_at = row.created_at;
  DM_TRY(from_document(row.document, role), "role " + row.account + " " + row.name);
  return role;
}

tl::unexpected<ServiceError> no_role(const std::string& name) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("The role with name {} cannot be found.", name));
}

std::size_t size_without_space(std::string_view document) {
  return static_cast<std::size_t>(std::count_if(
      document.begin(), document.end(), [](char c) { return c != ' ' && c != '\t' && c != '\r' && c != '\n'; }));
}

// A policy's outermost form; its statements are read when policies are evaluated.
Answer<void> check_policy(const std::string& document) {
  json::error_code error;
  const json::value value = json::parse(document, error);
  if (error) {
    return refuse(ServiceErrorKind::kMalformedPolicy, "This policy contains invalid Json");
  }
  const json::object* const policy = value.if_object();
  const json::value* const statement = policy == nullptr ? nullptr : policy->if_contains("Statement");
  if (statement == nullptr || !(statement->is_array() || statement->is_object())) {
    return refuse(ServiceErrorKind::kMalformedPolicy, "Syntax errors in policy.");
  }
  return {};
}

}  // namespace

std::string role_arn(const Role& role) {
  return fmt::format("arn:aws:iam::{}:role{}{}", role.account, role.path, role.name);
}

Answer<Role> Roles::create(Role role) {
  if (const auto checked = check_policy(role.trust_policy); !checked) {
    return tl::unexpected(checked.error());
  }
  if (size_without_space(role.trust_policy) > kTrustPolicyMax) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("Cannot exceed quota for ACLSizePerRole: {}", kTrustPolicyMax));
  }
  const std::lock_guard lock(mutex_);
  const auto roles = store_.list_roles(role.account, "", kRolesMax);
  if (!roles) {
    return refuse_internally("list roles", roles.error());
  }
  if (roles->size() >= kRolesMax) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("Cannot exceed quota for RolesPerAccount: {}", kRolesMax));
  }
  role.role_id = aws::new_access_key("AROA");
  role.created_at = std::chrono::floor<std::chrono::seconds>(clock_.wall());
  if (const Status stored = store_.insert_role(encode(role)); !stored) {
    if (stored.error().kind() == ErrorKind::kConflict) {
      return refuse(ServiceErrorKind::kConflict, fmt::format("Role with name {} already exists.", role.name));
    }
    return refuse_internally("store a role", stored.error());
  }
  return role;
}

Answer<Role> Roles::get(const std::string& account, const std::string& name) const {
  const auto row = store_.role(account, name);
  if (!row) {
    return refuse_internally("read a role", row.error());
  }
  if (!*row) {
    return no_role(name);
  }
  return answer_of(decode(**row), "read a role");
}

Answer<Page<Role>> Roles::list(const std::string& account,
                               std::size_t limit,
                               const std::optional<std::string>& after) const {
  const auto rows = store_.list_roles(account, after.value_or(""), limit + 1);
  if (!rows) {
    return refuse_internally("list roles", rows.error());
  }
  Page<Role> page;
  for (const store::RoleRow& row : *rows) {
    if (page.items.size() == limit) {
      page.next = page.items.back().name;
      break;
    }
    auto role = decode(row);
    if (!role) {
      return refuse_internally("list roles", role.error());
    }
    page.items.push_back(*std::move(role));
  }
  return page;
}

Answer<void> Roles::remove(const std::string& account, const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto role = get(account, name);
  if (!role) {
    return tl::unexpected(role.error());
  }
  if (!role->attached_policies.empty()) {
    return refuse(ServiceErrorKind::kDeleteConflict, "Cannot delete entity, must detach all policies first.");
  }
  if (!role->policies.empty()) {
    return refuse(ServiceErrorKind::kDeleteConflict, "Cannot delete entity, must delete policies first.");
  }
  if (const auto removed = store_.remove_role(account, name); !removed) {
    return refuse_internally("remove a role", removed.error());
  }
  return {};
}

template <typename Change>
Answer<void> Roles::change(const std::string& account, const std::string& name, Change change) {
  const std::lock_guard lock(mutex_);
  auto role = get(account, name);
  if (!role) {
    return tl::unexpected(role.error());
  }
  if (Answer<void> changed = change(*role); !changed) {
    return changed;
  }
  if (const Status stored = store_.put_role(encode(*role)); !stored) {
    return refuse_internally("store a role", stored.error());
  }
  return {};
}

Answer<void> Roles::put_policy(const std::string& account,
                               const std::string& role,
                               const std::string& policy,
                               const std::string& document) {
  if (auto checked = check_policy(document); !checked) {
    return checked;
  }
  return change(account, role, [&](Role& changed) -> Answer<void> {
    changed.policies[policy] = document;
    std::size_t size = 0;
    for (const auto& [name, each] : changed.policies) {
      size += size_without_space(each);
    }
    if (size > kInlineBytesMax) {
      return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                    fmt::format("Maximum policy size of {} bytes exceeded for role {}", kInlineBytesMax, role));
    }
    return {};
  });
}

Answer<std::string> Roles::get_policy(const std::string& account,
                                      const std::string& role,
                                      const std::string& policy) const {
  const auto found = get(account, role);
  if (!found) {
    return tl::unexpected(found.error());
  }
  const auto document = found->policies.find(policy);
  if (document == found->policies.end()) {
    return refuse(ServiceErrorKind::kResourceNotFound,
                  fmt::format("The role policy with name {} cannot be found.", policy));
  }
  return document->second;
}

Answer<void> Roles::delete_policy(const std::string& account, const std::string& role, const std::string& policy) {
  return change(account, role, [&](Role& changed) -> Answer<void> {
    if (changed.policies.erase(policy) == 0) {
      return refuse(ServiceErrorKind::kResourceNotFound,
                    fmt::format("The role policy with name {} cannot be found.", policy));
    }
    return {};
  });
}

Answer<void> Roles::attach(const std::string& account, const std::string& role, const std::string& policy_arn) {
  const auto arn = aws::parse_arn(policy_arn);
  if (!arn || arn->service != "iam" || !arn->resource.starts_with("policy/")) {
    return refuse(ServiceErrorKind::kValidation, fmt::format("ARN {} is not valid.", policy_arn));
  }
  return change(account, role, [&](Role& changed) -> Answer<void> {
    if (!policy_arn.starts_with(kManagedPolicyPrefix) || policy_arn.size() == kManagedPolicyPrefix.size()) {
      return refuse(ServiceErrorKind::kResourceNotFound,
                    fmt::format("Policy {} does not exist or is not attachable.", policy_arn));
    }
    auto& attached = changed.attached_policies;
    if (std::find(attached.begin(), attached.end(), policy_arn) != attached.end()) {
      return {};
    }
    if (attached.size() >= kAttachedMax) {
      return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                    fmt::format("Cannot exceed quota for PoliciesPerRole: {}", kAttachedMax));
    }
    attached.push_back(policy_arn);
    return {};
  });
}

Answer<void> Roles::detach(const std::string& account, const std::string& role, const std::string& policy_arn) {
  return change(account, role, [&](Role& changed) -> Answer<void> {
    if (std::erase(changed.attached_policies, policy_arn) == 0) {
      return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("Policy {} was not found.", policy_arn));
    }
    return {};
  });
}

Answer<Roles::Assumed> Roles::assume(const Assumption& assumption) const {
  const auto denied = [&] {
    return refuse(ServiceErrorKind::kAccessDenied,
                  fmt::format("User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                              assumption.caller_arn,
                              assumption.role_arn));
  };
  const auto arn = aws::parse_arn(assumption.role_arn);
  if (!arn || arn->service != "iam" || !arn->resource.starts_with("role/")) {
    return refuse(ServiceErrorKind::kValidation, fmt::format("{} is invalid", assumption.role_arn));
  }
  // A role of another account is not told apart from one that is not there: its trust policy is not evaluated.
  if (arn->account != assumption.caller_account) {
    return denied();
  }
  auto role = get(arn->account, arn->resource.substr(arn->resource.rfind('/') + 1));
  if (!role && role.error().kind != ServiceErrorKind::kResourceNotFound) {
    return tl::unexpected(role.error());
  }
  if (!role || role_arn(*role) != assumption.role_arn) {
    return denied();
  }
  const std::chrono::seconds duration(assumption.duration_seconds.value_or(3600));
  if (duration.count() > role->max_session_seconds) {
    return refuse(ServiceErrorKind::kValidation,
                  "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  }
  if (assumption.chained && duration > kChainedMax) {
    return refuse(ServiceErrorKind::kValidation,
                  "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  }
  Sessions::Session session;
  session.account = role->account;
  session.role_name = role->name;
  session.role_id = role->role_id;
  session.name = assumption.session_name;
  session.expires_at = std::chrono::floor<std::chrono::seconds>(clock_.wall() + duration);
  Sessions::Issued issued = sessions_.issue(std::move(session));
  return Assumed{*std::move(role), std::move(issued)};
}

}  // namespace dormouse::control
