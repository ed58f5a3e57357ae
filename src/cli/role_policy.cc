// SPDX-License-Identifier: Apache-2.0
//
// role policy put, show, delete: inline policies; attach, detach: managed ones; list: both.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/add_command.h"
#include "cli/command.h"
#include "cli/record.h"
#include "cli/role_answer.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string role;
  std::string policy;    // a name, or an ARN of a managed one
  std::string document;  // a file, or -
};

// An operation that answers nothing; `done` is what is said then.
Status change(std::string_view action,
              const Options& options,
              Service::Query policy,
              std::string_view done,
              const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  const std::string name = role_name(options.role);
  policy.emplace_back("RoleName", name);
  DM_ASSIGN(Service service, invocation.connect(), "");
  if (const auto changed = service.iam(action, policy, context); !changed) {
    return role_refusal(changed.error(), name);
  }
  const bool managed = policy.front().first == "PolicyArn";
  const json::object record{{"RoleName", name}, {managed ? "PolicyArn" : "PolicyName", options.policy}};
  invocation.answer(record, [&] { invocation.terminal.answer(fmt::format("{}  {}", options.policy, done)); });
  return {};
}

Status put(const Options& options, const Invocation& invocation) {
  DM_ASSIGN(std::string document, read_policy(options.document), "");
  return change("PutRolePolicy",
                options,
                {{"PolicyName", options.policy}, {"PolicyDocument", std::move(document)}},
                "stored",
                invocation);
}

Status remove(const Options& options, const Invocation& invocation) {
  return change("DeleteRolePolicy", options, {{"PolicyName", options.policy}}, "deleted", invocation);
}

Status attach(const Options& options, const Invocation& invocation) {
  return change("AttachRolePolicy", options, {{"PolicyArn", options.policy}}, "attached", invocation);
}

Status detach(const Options& options, const Invocation& invocation) {
  return change("DetachRolePolicy", options, {{"PolicyArn", options.policy}}, "detached", invocation);
}

Status show(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  const std::string name = role_name(options.role);
  DM_ASSIGN(Service service, invocation.connect(), "");
  const Service::Query query{{"RoleName", name}, {"PolicyName", options.policy}};
  const auto answer = service.iam("GetRolePolicy", query, context);
  if (!answer) {
    return role_refusal(answer.error(), name);
  }
  const std::string encoded = text_of(*answer, "PolicyDocument");
  const std::string document = decoded_policy(encoded).value_or(encoded);
  boost::system::error_code bad;
  json::value policy = json::parse(document, bad);
  const json::object record{{"RoleName", name},
                            {"PolicyName", options.policy},
                            {"PolicyDocument", bad ? json::value(document) : std::move(policy)}};
  invocation.answer(record, [&] { invocation.terminal.answer(document); });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  const std::string name = role_name(options.role);
  DM_ASSIGN(Service service, invocation.connect(), "");
  const auto policies = policies_of(service, name, context);
  if (!policies) {
    return role_refusal(policies.error(), name);
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& policy : policies->inline_names) {
    rows.push_back({std::string(policy.as_string()), "inline", "-"});
  }
  for (const json::value& policy : policies->attached) {
    rows.push_back({text_of(policy, "PolicyName"), "managed", text_of(policy, "PolicyArn")});
  }
  const json::object record{{"PolicyNames", policies->inline_names}, {"AttachedPolicies", policies->attached}};
  invocation.answer(record, [&] { invocation.terminal.table({"POLICY", "KIND", "ARN"}, rows); });
  return {};
}

}  // namespace

void add_role_policy(CLI::App& role, Invocation& invocation) {
  CLI::App* const group = role.add_subcommand("policy", "what a role's policies say; they are kept, not evaluated");
  group->require_subcommand(1);
  Options* options = nullptr;
  const auto add = [&](const char* verb, const char* about, auto run, const char* footer) {
    CLI::App* const command = add_command(*group, invocation, verb, about, run, options);
    command->add_option("ROLE", options->role, "name or ARN")->required();
    command->footer(footer);
    return command;
  };
  const auto add_inline = [&](CLI::App* command) {
    command->add_option("POLICY", options->policy, "its name: 1 to 128 letters, digits and _+=,.@-")->required();
  };
  const auto add_managed = [&](CLI::App* command) {
    command->add_option("ARN", options->policy, "arn:aws:iam::aws:policy/NAME, whatever NAME is")->required();
  };
  CLI::App* command = add("put",
                          "an inline policy, new or in place of the one that is named so",
                          put,
                          "Examples:\n"
                          "  dormouse role policy put build read-artifacts policy.json\n"
                          "  jq .policy team.json | dormouse role policy put build team -");
  add_inline(command);
  command->add_option("FILE", options->document, "its JSON, 131072 bytes at most; - is standard input")->required();
  add_inline(add("show",
                 "an inline policy, as it was put",
                 show,
                 "Example:\n  dormouse role policy show build read-artifacts > policy.json"));
  add("list", "the policies of a role, inline and managed", list, "Example:\n  dormouse role policy list build");
  add_inline(
      add("delete", "delete an inline policy", remove, "Example:\n  dormouse role policy delete build read-artifacts"));
  add_managed(add("attach",
                  "attach a managed policy; one that is attached already is fine",
                  attach,
                  "Example:\n  dormouse role policy attach build arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"));
  add_managed(add("detach",
                  "detach a managed policy",
                  detach,
                  "Example:\n  dormouse role policy detach build arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"));
}

}  // namespace dormouse::cli
