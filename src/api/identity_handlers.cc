// SPDX-License-Identifier: Apache-2.0
//
// Roles of `iam`, sessions and callers of `sts`.

#include <boost/json.hpp>
#include <fmt/core.h>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "aws/encoding.h"
#include "aws/time.h"
#include "control/roles.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

constexpr std::size_t kItemsByDefault = 100;

// IAM gives policies back percent-encoded.
std::string encoded(const std::string& document) { return aws::percent_encode(document, aws::Slash::kEncode); }

std::string caller_arn(const Call& call) {
  return call.caller.arn.empty() ? fmt::format("arn:aws:iam::{}:root", call.account) : call.caller.arn;
}

json::object role_members(const control::Role& role) {
  json::object members;
  members["Path"] = role.path;
  members["RoleName"] = role.name;
  members["RoleId"] = role.role_id;
  members["Arn"] = control::role_arn(role);
  members["CreateDate"] = aws::to_epoch_seconds(role.created_at);
  members["AssumeRolePolicyDocument"] = encoded(role.trust_policy);
  if (role.description) {
    members["Description"] = *role.description;
  }
  members["MaxSessionDuration"] = role.max_session_seconds;
  return members;
}

json::object with_tags(json::object members, const control::Role& role) {
  json::array tags;
  for (const auto& [key, value] : role.tags) {
    tags.push_back(json::object{{"Key", key}, {"Value", value}});
  }
  if (!tags.empty()) {
    members["Tags"] = std::move(tags);
  }
  return members;
}

// Where a listing goes on: the position in a Marker, in the words of IAM.
class Listing {
 public:
  Listing(Backend& backend, const Call& call)
      : backend_(backend),
        scope_(page_scope(call.account, call.operation.name, call.input)),
        marker_(optional_text(call.input, "Marker")),
        limit_(static_cast<std::size_t>(
            optional_number(call.input, "MaxItems").value_or(static_cast<int>(kItemsByDefault)))) {}

  control::Answer<std::optional<std::string>> after() const {
    if (!marker_) {
      return std::nullopt;
    }
    auto position = backend_.pages.open(scope_, *marker_);
    if (!position) {
      return control::refuse(control::ServiceErrorKind::kValidation, "Invalid Marker.");
    }
    return position;
  }
  std::size_t limit() const { return limit_; }
  void finish(json::object& members, const std::optional<std::string>& next) const {
    members["IsTruncated"] = next.has_value();
    if (next) {
      members["Marker"] = backend_.pages.issue(scope_, *next);
    }
  }

  // A page of `all`, which are sorted by what `name_of` gives.
  template <typename Items, typename NameOf, typename Convert>
  Members page(const char* member, const Items& all, NameOf name_of, Convert convert) const {
    const auto begin = after();
    if (!begin) {
      return tl::unexpected(begin.error());
    }
    json::array items;
    std::optional<std::string> last, next;
    for (const auto& item : all) {
      const std::string name = name_of(item);
      if (*begin && name <= **begin) {
        continue;
      }
      if (items.size() == limit_) {
        next = last;
        break;
      }
      last = name;
      items.push_back(convert(item));
    }
    json::object members;
    members[member] = std::move(items);
    finish(members, next);
    return members;
  }

 private:
  Backend& backend_;
  const std::string scope_;
  const std::optional<std::string> marker_;
  const std::size_t limit_;
};

}  // namespace

Members create_role(Backend& backend, const Call& call) {
  control::Role role;
  role.account = call.account;
  role.name = required_text(call.input, "RoleName");
  role.path = required_text(call.input, "Path");
  role.trust_policy = required_text(call.input, "AssumeRolePolicyDocument");
  role.description = optional_text(call.input, "Description");
  role.max_session_seconds = optional_number(call.input, "MaxSessionDuration").value_or(role.max_session_seconds);
  if (const json::value* tags = call.input.if_contains("Tags")) {
    for (const json::value& tag : tags->as_array()) {
      role.tags[required_text(tag.as_object(), "Key")] = required_text(tag.as_object(), "Value");
    }
  }
  auto created = backend.roles.create(std::move(role));
  if (!created) {
    return tl::unexpected(std::move(created).error());
  }
  return json::object{{"Role", with_tags(role_members(*created), *created)}};
}

Members get_role(Backend& backend, const Call& call) {
  auto role = backend.roles.get(call.account, required_text(call.input, "RoleName"));
  if (!role) {
    return tl::unexpected(std::move(role).error());
  }
  json::object members = with_tags(role_members(*role), *role);
  members["RoleLastUsed"] = json::object();
  return json::object{{"Role", std::move(members)}};
}

Members list_roles(Backend& backend, const Call& call) {
  const Listing listing(backend, call);
  const auto after = listing.after();
  if (!after) {
    return tl::unexpected(after.error());
  }
  auto page = backend.roles.list(call.account, listing.limit(), *after);
  if (!page) {
    return tl::unexpected(std::move(page).error());
  }
  const std::string prefix = optional_text(call.input, "PathPrefix").value_or("/");
  json::array roles;
  for (const control::Role& role : page->items) {
    if (role.path.starts_with(prefix)) {
      roles.push_back(role_members(role));
    }
  }
  json::object members{{"Roles", std::move(roles)}};
  listing.finish(members, page->next);
  return members;
}

Members delete_role(Backend& backend, const Call& call) {
  return nothing(backend.roles.remove(call.account, required_text(call.input, "RoleName")));
}

Members put_role_policy(Backend& backend, const Call& call) {
  return nothing(backend.roles.put_policy(call.account,
                                          required_text(call.input, "RoleName"),
                                          required_text(call.input, "PolicyName"),
                                          required_text(call.input, "PolicyDocument")));
}

Members get_role_policy(Backend& backend, const Call& call) {
  const std::string role = required_text(call.input, "RoleName");
  const std::string policy = required_text(call.input, "PolicyName");
  const auto document = backend.roles.get_policy(call.account, role, policy);
  if (!document) {
    return tl::unexpected(document.error());
  }
  return json::object{{"RoleName", role}, {"PolicyName", policy}, {"PolicyDocument", encoded(*document)}};
}

Members delete_role_policy(Backend& backend, const Call& call) {
  return nothing(backend.roles.delete_policy(
      call.account, required_text(call.input, "RoleName"), required_text(call.input, "PolicyName")));
}

Members list_role_policies(Backend& backend, const Call& call) {
  const auto role = backend.roles.get(call.account, required_text(call.input, "RoleName"));
  if (!role) {
    return tl::unexpected(role.error());
  }
  return Listing(backend, call)
      .page(
          "PolicyNames",
          role->policies,
          [](const auto& policy) { return policy.first; },
          [](const auto& policy) { return json::value(policy.first); });
}

Members attach_role_policy(Backend& backend, const Call& call) {
  return nothing(backend.roles.attach(
      call.account, required_text(call.input, "RoleName"), required_text(call.input, "PolicyArn")));
}

Members detach_role_policy(Backend& backend, const Call& call) {
  return nothing(backend.roles.detach(
      call.account, required_text(call.input, "RoleName"), required_text(call.input, "PolicyArn")));
}

Members list_attached_role_policies(Backend& backend, const Call& call) {
  auto role = backend.roles.get(call.account, required_text(call.input, "RoleName"));
  if (!role) {
    return tl::unexpected(role.error());
  }
  std::sort(role->attached_policies.begin(), role->attached_policies.end());
  return Listing(backend, call)
      .page(
          "AttachedPolicies",
          role->attached_policies,
          [](const std::string& arn) { return arn; },
          [](const std::string& arn) {
            return json::object{{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}};
          });
}

Members assume_role(Backend& backend, const Call& call) {
  control::Roles::Assumption assumption;
  assumption.caller_account = call.account;
  assumption.caller_arn = caller_arn(call);
  assumption.chained = !call.caller.arn.empty();
  assumption.role_arn = required_text(call.input, "RoleArn");
  assumption.session_name = required_text(call.input, "RoleSessionName");
  assumption.duration_seconds = optional_number(call.input, "DurationSeconds");
  const auto assumed = backend.roles.assume(assumption);
  if (!assumed) {
    return tl::unexpected(assumed.error());
  }
  const auto& [session, secret, token] = assumed->issued;
  json::object members;
  members["Credentials"] = json::object{{"AccessKeyId", session.access_key},
                                        {"SecretAccessKey", secret},
                                        {"SessionToken", token},
                                        {"Expiration", aws::to_epoch_seconds(session.expires_at)}};
  members["AssumedRoleUser"] = json::object{
      {"AssumedRoleId", fmt::format("{}:{}", session.role_id, session.name)},
      {"Arn", fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", session.account, session.role_name, session.name)}};
  if (const auto source = optional_text(call.input, "SourceIdentity")) {
    members["SourceIdentity"] = *source;
  }
  return members;
}

Members get_caller_identity(Backend& /*backend*/, const Call& call) {
  return json::object{{"Arn", caller_arn(call)},
                      {"UserId", call.caller.user_id.empty() ? call.account : call.caller.user_id},
                      {"Account", call.account}};
}

}  // namespace dormouse::api
