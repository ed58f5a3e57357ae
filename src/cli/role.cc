// SPDX-License-Identifier: Apache-2.0
//
// role create, list, describe, delete: what images are built and MicroVMs run as, by `iam`; role_policy.cc and role_assume.cc
// have the rest.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/add_command.h"
#include "cli/command.h"
#include "cli/image_content.h"
#include "cli/record.h"
#include "cli/role_answer.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

// Whom a role trusts unless told: the service that builds images and runs VMs.
constexpr const char* kTrustPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},)"
    R"("Action":["sts:AssumeRole","sts:TagSession"]}]})";

struct Options {
  std::string role;
  std::string trust;  // a file, or -
  std::string path;
  std::string description;
  int session_seconds = 0;  // 0: as the service has it
  std::vector<std::string> tags;
  std::string prefix;
  bool with_policies = false;
};

// As it is shown: documents and numbers are what they are, not text.
json::value readable(const json::value& role) {
  json::object members = role.is_object() ? role.get_object() : json::object();
  if (json::value* const document = members.if_contains("AssumeRolePolicyDocument");
      document && document->is_string()) {
    const auto text = decoded_policy(document->get_string());
    boost::system::error_code bad;
    json::value policy = text ? json::parse(*text, bad) : json::value();
    if (text && !bad) {
      *document = std::move(policy);
    }
  }
  if (json::value* const seconds = members.if_contains("MaxSessionDuration"); seconds && seconds->is_string()) {
    int number = 0;
    if (CLI::detail::lexical_cast(std::string(seconds->get_string()), number)) {
      *seconds = number;
    }
  }
  members.erase("RoleLastUsed");  // nothing is known of it
  return members;
}

// Of an answer that is one.
json::value role_in(const json::value& answer) {
  const json::value* const role = member_of(answer, "Role");
  return readable(role == nullptr ? json::value() : *role);
}

Status create(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  std::string trust = kTrustPolicy;
  if (!options.trust.empty()) {
    DM_ASSIGN(trust, read_policy(options.trust), "");
  }
  DM_ASSIGN(const json::object tags, pairs_of(options.tags, "--tag"), "");
  Service::Query query{{"RoleName", options.role}, {"AssumeRolePolicyDocument", trust}};
  if (!options.path.empty()) {
    query.emplace_back("Path", options.path);
  }
  if (!options.description.empty()) {
    query.emplace_back("Description", options.description);
  }
  if (options.session_seconds != 0) {
    query.emplace_back("MaxSessionDuration", std::to_string(options.session_seconds));
  }
  int number = 0;
  for (const auto& [name, value] : tags) {
    const std::string member = fmt::format("Tags.member.{}.", ++number);
    query.emplace_back(member + "Key", std::string(name));
    query.emplace_back(member + "Value", std::string(value.as_string()));
  }
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value answer, service.iam("CreateRole", query, context), "");
  const json::value role = role_in(answer);
  invocation.answer(role, [&] { invocation.terminal.answer(text_of(role, "Arn")); });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  Service::Query query;
  if (!options.prefix.empty()) {
    query.emplace_back("PathPrefix", options.prefix);
  }
  DM_ASSIGN(const json::array found, service.list_iam("ListRoles", query, "Roles", context), "");
  std::vector<std::vector<std::string>> rows;
  json::array roles;
  for (const json::value& each : found) {
    roles.push_back(readable(each));
    rows.push_back({text_of(each, "RoleName"), text_of(each, "Arn"), text_of(each, "CreateDate")});
  }
  invocation.answer(json::object{{"roles", std::move(roles)}},
                    [&] { invocation.terminal.table({"ROLE", "ARN", "CREATED"}, rows); });
  return {};
}

void describe_text(const json::value& role, const RolePolicies& policies, Terminal& terminal) {
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) {
      terminal.answer(fmt::format("{}: {}", label, value));
    }
  };
  line("name", text_of(role, "RoleName"));
  line("ARN", text_of(role, "Arn"));
  line("description", text_of(role, "Description"));
  line("created", text_of(role, "CreateDate"));
  if (const json::value* const seconds = member_of(role, "MaxSessionDuration")) {
    line("sessions", json::serialize(*seconds) + " s at most");
  }
  if (const json::value* const tags = member_of(role, "Tags"); tags != nullptr && tags->is_array()) {
    for (const json::value& tag : tags->get_array()) {
      line("tag", text_of(tag, "Key") + "=" + text_of(tag, "Value"));
    }
  }
  if (const json::value* const trust = member_of(role, "AssumeRolePolicyDocument")) {
    line("trust policy", json::serialize(*trust));
  }
  for (const json::value& name : policies.inline_names) {
    line("policy", std::string(name.as_string()));
  }
  for (const json::value& policy : policies.attached) {
    line("attached policy", text_of(policy, "PolicyArn"));
  }
}

Status describe(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  const std::string name = role_name(options.role);
  DM_ASSIGN(Service service, invocation.connect(), "");
  const auto answer = service.iam("GetRole", {{"RoleName", name}}, context);
  if (!answer) {
    return role_refusal(answer.error(), name);
  }
  DM_ASSIGN(const RolePolicies policies, policies_of(service, name, context), "");
  json::value role = role_in(*answer);
  role.as_object()["PolicyNames"] = policies.inline_names;
  role.as_object()["AttachedPolicies"] = policies.attached;
  invocation.answer(role, [&] { describe_text(role, policies, invocation.terminal); });
  return {};
}

Status remove_policies(Service& service, const std::string& name, const os::Context& context) {
  DM_ASSIGN(const RolePolicies policies, policies_of(service, name, context), "");
  for (const json::value& policy : policies.inline_names) {
    const Service::Query query{{"RoleName", name}, {"PolicyName", std::string(policy.as_string())}};
    DM_TRY(service.iam("DeleteRolePolicy", query, context), "");
  }
  for (const json::value& policy : policies.attached) {
    const Service::Query query{{"RoleName", name}, {"PolicyArn", text_of(policy, "PolicyArn")}};
    DM_TRY(service.iam("DetachRolePolicy", query, context), "");
  }
  return {};
}

Status remove(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  const std::string name = role_name(options.role);
  DM_ASSIGN(Service service, invocation.connect(), "");
  if (options.with_policies) {
    if (const Status removed = remove_policies(service, name, context); !removed) {
      return role_refusal(removed.error(), name);
    }
  }
  if (const auto deleted = service.iam("DeleteRole", {{"RoleName", name}}, context); !deleted) {
    return role_refusal(deleted.error(), name);
  }
  invocation.answer(json::object{{"RoleName", name}}, [&] { invocation.terminal.answer(name + "  deleted"); });
  return {};
}

}  // namespace

void add_role_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const role = program.add_subcommand("role", "roles of the account; their policies are kept, not evaluated");
  role->require_subcommand(1);
  Options* options = nullptr;

  CLI::App* command = add_command(*role, invocation, "create", "a new role; answers with its ARN", create, options);
  command->add_option("NAME", options->role, "1 to 64 letters, digits and _+=,.@-")->required();
  command->add_option(
      "--trust", options->trust, "file with the trust policy, or -; else lambda.amazonaws.com is trusted");
  command->add_option("--path", options->path, "begins and ends with /, as /team/");
  command->add_option("--description", options->description, "1000 characters at most");
  command->add_option("--max-session", options->session_seconds, "seconds that a session may last, 3600 unless told")
      ->check(CLI::Range(3600, 43'200));
  command->add_option("--tag", options->tags, "NAME=VALUE; may be repeated, 50 at most")->allow_extra_args(false);
  command->footer(
      "Examples:\n"
      "  dormouse role create build\n"
      "  dormouse image create counter examples/counter --role $(dormouse role create build --tag team=blue)");

  command = add_command(*role, invocation, "list", "all roles of the account", list, options);
  command->add_option("--path-prefix", options->prefix, "only roles whose paths begin so, as /team/");
  command->footer("Example:\n  dormouse role list --json | jq -r '.roles[].Arn'");

  command = add_command(*role, invocation, "describe", "a role, whom it trusts, and its policies", describe, options);
  command->add_option("ROLE", options->role, "name or ARN")->required();
  command->footer("Example:\n  dormouse role describe build");

  command = add_command(*role, invocation, "delete", "delete a role; its sessions end with it", remove, options);
  command->add_option("ROLE", options->role, "name or ARN")->required();
  command->add_flag("--with-policies", options->with_policies, "delete and detach its policies first");
  command->footer("Example:\n  dormouse role delete build --with-policies");

  add_role_policy(*role, invocation);
  add_role_assume(*role, invocation);
}

}  // namespace dormouse::cli
