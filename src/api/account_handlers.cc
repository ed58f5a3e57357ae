// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <map>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "api/handlers.h"
#include "api/input.h"
#include "api/operations.h"
#include "api/output.h"
#include "api/pages.h"
#include "aws/time.h"
#include "control/accounts.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using control::refuse;
using control::ServiceErrorKind;
using Members = control::Answer<json::object>;

json::object account_members(const control::Account& account) {
  return {{"accountId", account.id},
          {"name", account.name},
          {"administrator", account.administrator},
          {"createdAt", aws::to_epoch_seconds(account.created_at)}};
}

json::object new_key_members(const control::AccessKey& key) {
  return {{"accessKeyId", key.access_key},
          {"secretAccessKey", key.secret},
          {"accountId", key.account},
          {"createdAt", aws::to_epoch_seconds(*key.created_at)}};
}

json::object key_members(const control::AccessKey& key, WallTime now) {
  json::object members{{"accessKeyId", key.access_key}, {"accountId", key.account}, {"status", "ACTIVE"}};
  if (key.created_at) {
    members["createdAt"] = aws::to_epoch_seconds(*key.created_at);
  }
  if (key.expires_at) {
    members["status"] = *key.expires_at <= now ? "EXPIRED" : "EXPIRING";
    members["expiresAt"] = aws::to_epoch_seconds(*key.expires_at);
  }
  return members;
}

// Every quota by name: what is allowed, what is used.
json::array quota_members(const control::Account& account,
                          const control::Quotas& quotas,
                          const std::map<std::string, std::uint64_t, std::less<>>& used) {
  json::array members;
  for (const auto& [name, allowed] : control::settings_of(quotas)) {
    json::object quota{{"name", name}, {"setForAccount", account.quotas.contains(name)}};
    if (allowed) {
      quota["allowed"] = *allowed;
    }
    if (const auto use = used.find(name); use != used.end()) {
      quota["used"] = use->second;
    }
    members.push_back(std::move(quota));
  }
  return members;
}

Members description(Backend& backend, const control::Account& account) {
  const auto resources = backend.accounts.resources(account.id);
  if (!resources) {
    return tl::unexpected(resources.error());
  }
  json::object members = account_members(account);
  json::array kinds;
  for (const auto& [kind, count] : *resources) {
    kinds.push_back(json::object{{"kind", kind}, {"count", count}});
  }
  members["resources"] = std::move(kinds);
  const auto images = resources->find("images");
  members["quotas"] = quota_members(account,
                                    backend.quotas.of(account.id),
                                    {{"memory-mib", backend.microvms.memory_mib(account.id)},
                                     {"images", images == resources->end() ? 0 : images->second},
                                     {"concurrent-builds", backend.images.concurrent_builds(account.id)}});
  return members;
}

}  // namespace

control::Answer<void> require_administrator(const Call& call) {
  if (call.caller.administrator) {
    return {};
  }
  return refuse(ServiceErrorKind::kAccessDenied,
                fmt::format("{} may not do {}: use a key of the administrator's account, such as the one in the file "
                            "`credentials` of the daemon's data directory",
                            call.caller.arn.empty() ? "Account " + call.account : call.caller.arn,
                            call.operation.name));
}

Members create_account(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return backend.accounts.create(optional_text(call.input, "accountId"), required_text(call.input, "name"))
      .map(account_members);
}

Members list_accounts(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return answer_page(
      backend,
      call,
      [&](std::size_t limit, const std::optional<std::string>& after) { return backend.accounts.list(limit, after); },
      [](const control::Account&) { return true; },
      account_members);
}

// An account may be seen by itself.
Members describe_account(Backend& backend, const Call& call) {
  const std::string id = required_text(call.input, "accountId");
  if (const auto allowed = require_administrator(call); !allowed && id != call.account) {
    return tl::unexpected(allowed.error());
  }
  const auto account = backend.accounts.get(id);
  if (!account) {
    return tl::unexpected(account.error());
  }
  return description(backend, *account);
}

Members delete_account(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return nothing(backend.accounts.remove(required_text(call.input, "accountId")));
}

Members set_account_quotas(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  control::QuotaSettings settings;
  if (const json::value* quotas = call.input.if_contains("quotas")) {
    for (const json::value& quota : quotas->as_array()) {
      const std::string name = required_text(quota.as_object(), "name");
      const json::value* value = quota.as_object().if_contains("allowed");
      if (const auto reason = why_no_operation(name)) {
        return refuse(ServiceErrorKind::kValidation, *reason);
      }
      settings[name] = value == nullptr ? std::nullopt : std::optional(value->to_number<std::uint64_t>());
    }
  }
  const auto account =
      backend.accounts.set_quotas(required_text(call.input, "accountId"),
                                  settings,
                                  optional_texts(call.input, "reset").value_or(std::vector<std::string>()));
  if (!account) {
    return tl::unexpected(account.error());
  }
  return description(backend, *account);
}

Members create_account_key(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return backend.accounts.create_key(required_text(call.input, "accountId")).map(new_key_members);
}

Members list_account_keys(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  const auto keys = backend.accounts.list_keys(required_text(call.input, "accountId"));
  if (!keys) {
    return tl::unexpected(keys.error());
  }
  json::array items;
  for (const control::AccessKey& key : *keys) {
    items.push_back(key_members(key, backend.clock.wall()));
  }
  return json::object{{"items", std::move(items)}};
}

Members revoke_account_key(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  return nothing(
      backend.accounts.revoke_key(required_text(call.input, "accountId"), required_text(call.input, "accessKeyId")));
}

Members rotate_account_key(Backend& backend, const Call& call) {
  if (const auto allowed = require_administrator(call); !allowed) {
    return tl::unexpected(allowed.error());
  }
  const auto rotation =
      backend.accounts.rotate_key(required_text(call.input, "accountId"),
                                  required_text(call.input, "accessKeyId"),
                                  std::chrono::seconds(*optional_number(call.input, "overlapInSeconds")));
  if (!rotation) {
    return tl::unexpected(rotation.error());
  }
  return json::object{{"created", new_key_members(rotation->created)},
                      {"old", key_members(rotation->old, backend.clock.wall())}};
}

}  // namespace dormouse::api
