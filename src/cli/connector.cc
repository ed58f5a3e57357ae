// SPDX-License-Identifier: Apache-2.0
//
// connector create, list, describe, update, delete.

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/uuid.h"
#include "cli/command.h"
#include "cli/connector_arn.h"
#include "cli/deletion.h"
#include "cli/image_content.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kPatience{10};
constexpr int kIntervalMilliseconds = 100;

struct Options {
  std::string name;
  std::vector<std::string> subnets;
  std::vector<std::string> security_groups;
  std::optional<bool> dual_stack;  // none: as it is, IPv4 alone for a new one
  std::string role;
  std::vector<std::string> tags;
  std::string state;
  std::string client_token;  // empty: a new one
  bool no_wait = false;
};

json::array texts_of(const std::vector<std::string>& given) {
  json::array texts;
  for (const std::string& text : given) {
    texts.push_back(json::string(text));
  }
  return texts;
}

const char* protocol_of(bool dual_stack) { return dual_stack ? "DualStack" : "IPv4"; }

const json::value* vpc_of(const json::value& connector) {
  const json::value* const configuration = member_of(connector, "Configuration");
  return configuration == nullptr ? nullptr : member_of(*configuration, "VpcEgressConfiguration");
}

// Until it has left PENDING; it is then ACTIVE, or has failed and says why.
Result<json::value> await_active(const Invocation& invocation,
                                 Service& service,
                                 json::value connector,
                                 const os::Context& context) {
  const std::string id = text_of(connector, "Id");
  while (text_of(connector, "State") == "PENDING") {
    invocation.terminal.progress(fmt::format("connector {}: PENDING", text_of(connector, "Name")));
    DM_TRY(context.check("wait until it is ACTIVE"), id);
    ::poll(nullptr, 0, kIntervalMilliseconds);
    DM_ASSIGN(connector, service.call("GET", connectors_path({id}), {}, nullptr, context), "");
  }
  invocation.terminal.clear_progress();
  if (const std::string state = text_of(connector, "State"); state != "ACTIVE") {
    return fail(
        ErrorKind::kInternal,
        fmt::format("connector {} is {}: {}", text_of(connector, "Name"), state, text_of(connector, "StateReason")));
  }
  return connector;
}

Status create(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kPatience);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object vpc{{"SubnetIds", texts_of(options.subnets)},
                   {"NetworkProtocol", protocol_of(options.dual_stack.value_or(false))},
                   {"AssociatedComputeResourceTypes", json::array{"MicroVm"}}};
  if (!options.security_groups.empty()) {
    vpc["SecurityGroupIds"] = texts_of(options.security_groups);
  }
  json::object request{{"Name", options.name},
                       {"Configuration", json::object{{"VpcEgressConfiguration", std::move(vpc)}}},
                       {"OperatorRole", options.role},
                       {"ClientToken", options.client_token.empty() ? make_uuid() : options.client_token}};
  if (!options.tags.empty()) {
    DM_ASSIGN(request["Tags"], pairs_of(options.tags, "--tag"), "");
  }
  const json::value body(std::move(request));
  DM_ASSIGN(json::value connector, service.call("POST", connectors_path({}), {}, &body, context), "");
  if (!options.no_wait) {
    DM_ASSIGN(connector, await_active(invocation, service, std::move(connector), context), "");
  }
  invocation.answer(connector, [&] {
    invocation.terminal.answer(fmt::format("{}  {}", text_of(connector, "Arn"), text_of(connector, "State")));
  });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  Service::Query query;
  if (!options.state.empty()) {
    query.emplace_back("State", options.state);
  }
  DM_ASSIGN(json::array connectors, service.list(connectors_path({}), query, context, kConnectorListing), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& connector : connectors) {
    rows.push_back({text_of(connector, "Name"),
                    text_of(connector, "Id"),
                    text_of(connector, "Type"),
                    text_of(connector, "State"),
                    text_of(connector, "LastModified")});
  }
  invocation.answer(json::object{{"connectors", std::move(connectors)}},
                    [&] { invocation.terminal.table({"NAME", "ID", "TYPE", "STATE", "MODIFIED"}, rows); });
  return {};
}

void show(Terminal& terminal, const json::value& connector) {
  terminal.answer(text_of(connector, "Arn"));
  const auto line = [&](const char* title, const json::value& record, const char* member) {
    if (const std::string value = text_of(record, member); !value.empty()) {
      terminal.answer(fmt::format("{}: {}", title, value));
    }
  };
  line("name", connector, "Name");
  line("state", connector, "State");
  line("reason", connector, "StateReason");
  line("version", connector, "Version");
  line("operator role", connector, "OperatorRole");
  if (const json::value* vpc = vpc_of(connector)) {
    line("subnets", *vpc, "SubnetIds");
    line("security groups", *vpc, "SecurityGroupIds");
    line("protocol", *vpc, "NetworkProtocol");
  }
  line("last update", connector, "LastUpdateStatus");
  line("last update's reason", connector, "LastUpdateStatusReason");
  line("modified", connector, "LastModified");
}

Status describe(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(
      const json::value connector, service.call("GET", connectors_path({options.name}), {}, nullptr, context), "");
  invocation.answer(connector, [&] { show(invocation.terminal, connector); });
  return {};
}

// A configuration is replaced whole, so what is not named is taken from the one there is.
Status update(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value before, service.call("GET", connectors_path({options.name}), {}, nullptr, context), "");
  json::object request{{"ClientToken", options.client_token.empty() ? make_uuid() : options.client_token}};
  const json::value* const configured = vpc_of(before);
  json::object vpc = configured == nullptr ? json::object() : configured->as_object();
  if (!options.subnets.empty()) {
    vpc["SubnetIds"] = texts_of(options.subnets);
  }
  if (!options.security_groups.empty()) {
    vpc["SecurityGroupIds"] = texts_of(options.security_groups);
  }
  if (options.dual_stack) {
    vpc["NetworkProtocol"] = protocol_of(*options.dual_stack);
  }
  request["Configuration"] = json::object{{"VpcEgressConfiguration", std::move(vpc)}};
  if (!options.role.empty()) {
    request["OperatorRole"] = options.role;
  }
  const json::value body(std::move(request));
  DM_ASSIGN(const json::value connector, service.call("PUT", connectors_path({options.name}), {}, &body, context), "");
  invocation.answer(connector, [&] {
    const std::string reason = text_of(connector, "LastUpdateStatusReason");
    invocation.terminal.answer(fmt::format("{}  {}{}",
                                           text_of(connector, "Arn"),
                                           text_of(connector, "LastUpdateStatus"),
                                           reason.empty() ? "" : ": " + reason));
  });
  return {};
}

Status remove(const std::vector<std::string>& names, bool wait, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kPatience);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::array deleted;
  for (const std::string& name : names) {
    DM_TRY(delete_and_wait(invocation, service, connectors_path({name}), "connector " + name, "State", wait, context),
           "");
    deleted.push_back(json::string(name));
  }
  invocation.answer(json::object{{"deleted", deleted}}, [&] {
    for (const std::string& name : names) {
      invocation.terminal.answer(name + (wait ? " is deleted" : " is being deleted"));
    }
  });
  return {};
}

void add_network_options(CLI::App& command, Options& options) {
  command.add_option("--subnet", options.subnets, "subnet-...; 16 at most; may be repeated")->allow_extra_args(false);
  command.add_option("--security-group", options.security_groups, "sg-...; 5 at most; may be repeated")
      ->allow_extra_args(false);
  command
      .add_flag_function(
          "--dual-stack,!--ipv4",
          [&options](std::int64_t given) { options.dual_stack = given > 0; },
          "IPv4 and IPv6, or IPv4 alone")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_create(CLI::App& connector, Invocation& invocation) {
  CLI::App* const command = connector.add_subcommand("create", "a new connector for egress through a VPC");
  const auto options = std::make_shared<Options>();
  options->role = "arn:aws:iam::000000000000:role/dormouse";
  command->add_option("NAME", options->name, "letters, digits, - and _; 64 at most")->required();
  add_network_options(*command, *options);
  command->get_option("--subnet")->required();
  command->add_option(
      "--client-token",
      options->client_token,
      "a command that is repeated with this token, and is otherwise the same, answers with the connector "
      "that is there; a new one if left out");
  command->add_option("--role", options->role, "operator role; any of the right form is accepted")
      ->capture_default_str();
  command->add_option("--tag", options->tags, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  command->add_flag("--no-wait", options->no_wait, "return while it is PENDING");
  command->footer("Example:\n  dormouse connector create inside --subnet subnet-0123456789abcdef0");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return create(*options, invocation); }; });
}

void add_list(CLI::App& connector, Invocation& invocation) {
  CLI::App* const command = connector.add_subcommand("list", "the account's connectors, newest first");
  const auto options = std::make_shared<Options>();
  command->add_option(
      "--state", options->state, "only those PENDING, ACTIVE, INACTIVE, FAILED, DELETING, DELETE_FAILED");
  command->footer("Example:\n  dormouse connector list --json | jq -r '.connectors[].Arn'");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return list(*options, invocation); }; });
}

void add_describe(CLI::App& connector, Invocation& invocation) {
  CLI::App* const command = connector.add_subcommand("describe", "a connector: its state and configuration");
  const auto options = std::make_shared<Options>();
  command->add_option("CONNECTOR", options->name, "name, id (nc-...) or ARN")->required();
  command->footer("Example:\n  dormouse connector describe inside");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] { return describe(*options, invocation); };
  });
}

void add_update(CLI::App& connector, Invocation& invocation) {
  CLI::App* const command =
      connector.add_subcommand("update", "change a connector that is ACTIVE; what is not named stays");
  const auto options = std::make_shared<Options>();
  command->add_option("CONNECTOR", options->name, "name, id (nc-...) or ARN")->required();
  add_network_options(*command, *options);
  command->add_option("--role", options->role, "operator role");
  command->add_option("--client-token", options->client_token, "sent as it is; a new one if left out");
  command->footer("Example:\n  dormouse connector update inside --subnet subnet-0123456789abcdef1 --dual-stack");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return update(*options, invocation); }; });
}

void add_delete(CLI::App& connector, Invocation& invocation) {
  CLI::App* const command =
      connector.add_subcommand("delete", "delete connectors; MicroVMs that use one run on as they were");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto no_wait = std::make_shared<bool>(false);
  command->add_option("CONNECTOR", *names, "name, id (nc-...) or ARN; may be repeated")->required();
  command->add_flag("--no-wait", *no_wait, "return while the service deletes");
  command->footer("Example:\n  dormouse connector delete inside");
  command->callback([names, no_wait, &invocation] {
    invocation.action = [names, no_wait, &invocation] { return remove(*names, !*no_wait, invocation); };
  });
}

}  // namespace

void add_connector_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const connector = program.add_subcommand(
      "connector", "network connectors of the account: what MicroVMs and builds may be given as egress");
  connector->require_subcommand(1);
  add_create(*connector, invocation);
  add_list(*connector, invocation);
  add_describe(*connector, invocation);
  add_update(*connector, invocation);
  add_delete(*connector, invocation);
}

}  // namespace dormouse::cli
