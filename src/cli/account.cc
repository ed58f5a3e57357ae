// SPDX-License-Identifier: Apache-2.0
//
// account create, list, show, delete, quota set: the tenants of a daemon. For its administrator.

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

Status create(const std::string& id, const std::string& name, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object members{{"name", name}};
  if (!id.empty()) {
    members["accountId"] = id;
  }
  const json::value body = std::move(members);
  DM_ASSIGN(const json::value account, service.call("POST", extension_path({"accounts"}), {}, &body, context), "");
  invocation.answer(account, [&] {
    const std::string made = text_of(account, "accountId");
    invocation.terminal.answer(made);
    invocation.terminal.note("its first key: dormouse account key create " + made);
  });
  return {};
}

Status list(const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(json::array accounts, service.list(extension_path({"accounts"}), {}, context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& account : accounts) {
    rows.push_back(
        {text_of(account, "accountId"), text_of(account, "name"), time_text(number_of(account, "createdAt"))});
  }
  invocation.answer(json::object{{"accounts", std::move(accounts)}},
                    [&] { invocation.terminal.table({"ACCOUNT", "NAME", "CREATED"}, rows); });
  return {};
}

std::string number_text(const json::value& record, const char* member, const char* without) {
  const json::value* value = member_of(record, member);
  return value == nullptr ? without : json::serialize(*value);
}

void show_text(const json::value& account, const Invocation& invocation) {
  Terminal& terminal = invocation.terminal;
  terminal.answer(fmt::format("account  {}  {}", text_of(account, "accountId"), text_of(account, "name")));
  std::string resources;
  if (const json::value* kinds = member_of(account, "resources")) {
    for (const json::value& kind : kinds->as_array()) {
      resources +=
          fmt::format("{}{} {}", resources.empty() ? "" : ", ", number_text(kind, "count", "0"), text_of(kind, "kind"));
    }
  }
  terminal.answer("has      " + (resources.empty() ? "nothing" : resources));
  std::vector<std::vector<std::string>> rows;
  if (const json::value* quotas = member_of(account, "quotas")) {
    for (const json::value& quota : quotas->as_array()) {
      const json::value* own = member_of(quota, "setForAccount");
      rows.push_back({text_of(quota, "name"),
                      number_text(quota, "used", "-"),
                      number_text(quota, "allowed", "what the host has"),
                      own != nullptr && own->as_bool() ? "this account" : "default"});
    }
  }
  terminal.table({"QUOTA", "USED", "ALLOWED", "SET FOR"}, rows);
}

Status show(const std::string& id, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value account, service.call("GET", extension_path({"accounts", id}), {}, nullptr, context), "");
  invocation.answer(account, [&] { show_text(account, invocation); });
  return {};
}

Status remove(const std::string& id, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_TRY(service.call("DELETE", extension_path({"accounts", id}), {}, nullptr, context), "");
  invocation.answer(json::object{{"accountId", id}}, [&] { invocation.terminal.answer(id + "  deleted"); });
  return {};
}

// "images=5", "images=none", "images=default"; "rate:RunMicrovm=5/10" is two quotas, the rate and its burst.
Status add_quota(const std::string& text, json::array& quotas, json::array& reset) {
  constexpr std::string_view kRate = "rate:";
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const bool rate = name.starts_with(kRate);
  const std::string burst_name = rate ? "burst:" + name.substr(kRate.size()) : "";
  std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  std::uint64_t number = 0;
  if (const auto slash = value.find('/'); rate && slash != std::string::npos) {
    if (!CLI::detail::lexical_cast(value.substr(slash + 1), number)) {
      value.clear();
    }
    quotas.push_back(json::object{{"name", burst_name}, {"allowed", number}});
    value = value.substr(0, slash);
  } else if (rate) {
    reset.push_back(json::value(burst_name));
  }
  if (value == "default") {
    reset.push_back(json::value(name));
  } else if (value == "none") {
    quotas.push_back(json::object{{"name", name}});
  } else if (!value.empty() && CLI::detail::lexical_cast(value, number)) {
    quotas.push_back(json::object{{"name", name}, {"allowed", number}});
  } else {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' is not QUOTA=NUMBER, QUOTA=none, QUOTA=default or rate:OPERATION=RATE/BURST; an "
                            "example is images=5",
                            text));
  }
  return {};
}

Status set_quotas(const std::string& id, const std::vector<std::string>& given, const Invocation& invocation) {
  json::array quotas, reset;
  for (const std::string& text : given) {
    DM_TRY(add_quota(text, quotas, reset), "");
  }
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  const json::value body = json::object{{"quotas", quotas}, {"reset", reset}};
  DM_ASSIGN(const json::value account,
            service.call("PUT", extension_path({"accounts", id, "quotas"}), {}, &body, context),
            "");
  invocation.answer(account, [&] { show_text(account, invocation); });
  return {};
}

void add_create(CLI::App& account, Invocation& invocation) {
  CLI::App* const command = account.add_subcommand("create", "a new account, without keys");
  const auto id = std::make_shared<std::string>();
  const auto name = std::make_shared<std::string>();
  command->add_option("ACCOUNT", *id, "its number, 12 digits; a random one if left out");
  command->add_option("--name", *name, "what it is for");
  command->footer("Example:\n  dormouse account create 111111111111 --name \"team a\"");
  command->callback([id, name, &invocation] {
    invocation.action = [id, name, &invocation] { return create(*id, *name, invocation); };
  });
}

void add_quota_commands(CLI::App& account, Invocation& invocation) {
  CLI::App* const quota = account.add_subcommand("quota", "what an account may have and do");
  quota->require_subcommand(1);
  CLI::App* const command = quota->add_subcommand("set", "bound an account in place of the defaults");
  const auto id = std::make_shared<std::string>();
  const auto settings = std::make_shared<std::vector<std::string>>();
  command->add_option("ACCOUNT", *id, "12 digits")->required();
  command
      ->add_option(
          "QUOTA=VALUE",
          *settings,
          "memory-mib, images, versions-per-image, concurrent-builds, connections-per-vcpu and requests-per-vcpu "
          "(of a MicroVM's endpoint; requests a second) or rate:OPERATION (calls a second; with /N behind it, N "
          "at once); the value is a number, none (the host is the bound) or default")
      ->required();
  command->footer(
      "Examples:\n"
      "  dormouse account quota set 111111111111 images=5 memory-mib=8192\n"
      "  dormouse account quota set 111111111111 rate:RunMicrovm=2/10 images=default");
  command->callback([id, settings, &invocation] {
    invocation.action = [id, settings, &invocation] { return set_quotas(*id, *settings, invocation); };
  });
}

void add_with_id(CLI::App& account,
                 Invocation& invocation,
                 const char* verb,
                 const char* about,
                 const char* example,
                 Status (*run)(const std::string&, const Invocation&)) {
  CLI::App* const command = account.add_subcommand(verb, about);
  const auto id = std::make_shared<std::string>();
  command->add_option("ACCOUNT", *id, "12 digits")->required();
  command->footer(example);
  command->callback(
      [id, run, &invocation] { invocation.action = [id, run, &invocation] { return run(*id, invocation); }; });
}

}  // namespace

void add_account_commands(CLI::App& program, Invocation& invocation) {
  CLI::App* const account = program.add_subcommand(
      "account", "accounts, each with keys and resources of its own; for the daemon's administrator");
  account->require_subcommand(1);
  add_create(*account, invocation);
  CLI::App* const all = account->add_subcommand("list", "all accounts");
  all->footer("Example:\n  dormouse account list --json | jq -r '.accounts[].accountId'");
  all->callback([&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
  add_with_id(*account,
              invocation,
              "show",
              "what an account has, uses and may use",
              "Example:\n  dormouse account show 111111111111",
              show);
  add_with_id(*account,
              invocation,
              "delete",
              "delete an account that has nothing any more, with its keys",
              "Example:\n  dormouse account delete 111111111111",
              remove);
  add_quota_commands(*account, invocation);
  add_account_key(*account, invocation);
}

}  // namespace dormouse::cli
