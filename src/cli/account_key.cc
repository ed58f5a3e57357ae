// SPDX-License-Identifier: Apache-2.0
//
// account key create, list, revoke, rotate.

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string account;
  std::string key;
  int overlap_seconds = 86'400;
};

// The secret is shown this once; the form is that of a credentials file, for a shell or a file.
void show_key(const json::value& key, Terminal& terminal) {
  terminal.answer(fmt::format("aws_access_key_id = {}\naws_secret_access_key = {}",
                              text_of(key, "accessKeyId"),
                              text_of(key, "secretAccessKey")));
  terminal.note("keep it now: the secret is not shown again");
}

Status create(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value key,
            service.call("POST", extension_path({"accounts", options.account, "keys"}), {}, nullptr, context),
            "");
  invocation.answer(key, [&] { show_key(key, invocation.terminal); });
  return {};
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value answer,
            service.call("GET", extension_path({"accounts", options.account, "keys"}), {}, nullptr, context),
            "");
  const json::value* const keys = member_of(answer, "items");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& key : keys == nullptr ? json::array() : keys->as_array()) {
    const bool from_file = member_of(key, "createdAt") == nullptr;
    const bool expires = member_of(key, "expiresAt") != nullptr;
    rows.push_back({text_of(key, "accessKeyId"),
                    text_of(key, "status"),
                    from_file ? "credentials file" : time_text(number_of(key, "createdAt")),
                    expires ? time_text(number_of(key, "expiresAt")) : "-"});
  }
  invocation.answer(json::object{{"keys", keys == nullptr ? json::array() : keys->as_array()}},
                    [&] { invocation.terminal.table({"KEY", "STATUS", "CREATED", "EXPIRES"}, rows); });
  return {};
}

Status revoke(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_TRY(
      service.call("DELETE", extension_path({"accounts", options.account, "keys", options.key}), {}, nullptr, context),
      "");
  invocation.answer(json::object{{"accessKeyId", options.key}},
                    [&] { invocation.terminal.answer(options.key + "  revoked"); });
  return {};
}

Status rotate(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  const json::value body = json::object{{"overlapInSeconds", options.overlap_seconds}};
  DM_ASSIGN(
      const json::value rotation,
      service.call(
          "POST", extension_path({"accounts", options.account, "keys", options.key, "rotation"}), {}, &body, context),
      "");
  invocation.answer(rotation, [&] {
    show_key(*member_of(rotation, "created"), invocation.terminal);
    invocation.terminal.note(
        fmt::format("{} works until {}", options.key, time_text(number_of(*member_of(rotation, "old"), "expiresAt"))));
  });
  return {};
}

std::shared_ptr<Options> add(CLI::App& key,
                             Invocation& invocation,
                             const char* verb,
                             const char* about,
                             Status (*run)(const Options&, const Invocation&)) {
  CLI::App* const command = key.add_subcommand(verb, about);
  auto options = std::make_shared<Options>();
  command->add_option("ACCOUNT", options->account, "12 digits")->required();
  command->callback([options, run, &invocation] {
    invocation.action = [options, run, &invocation] { return run(*options, invocation); };
  });
  return options;
}

}  // namespace

void add_account_key(CLI::App& account, Invocation& invocation) {
  CLI::App* const key = account.add_subcommand("key", "the access keys of an account");
  key->require_subcommand(1);
  add(*key, invocation, "create", "a new key; its secret is shown once", create);
  key->get_subcommand("create")->footer("Example:\n  dormouse account key create 111111111111 >> ~/.aws/credentials");
  add(*key, invocation, "list", "the keys, without their secrets", list);
  key->get_subcommand("list")->footer("Example:\n  dormouse account key list 111111111111");
  const auto revoked = add(*key, invocation, "revoke", "a key is no longer taken, from now on", revoke);
  key->get_subcommand("revoke")->add_option("KEY", revoked->key, "AKIA...")->required();
  key->get_subcommand("revoke")->footer("Example:\n  dormouse account key revoke 111111111111 AKIA...");
  const auto rotated = add(*key, invocation, "rotate", "a new key in place of one that works on for a while", rotate);
  key->get_subcommand("rotate")->add_option("KEY", rotated->key, "AKIA..., the old one")->required();
  key->get_subcommand("rotate")
      ->add_option("--overlap", rotated->overlap_seconds, "seconds that the old key works on")
      ->capture_default_str();
  key->get_subcommand("rotate")->footer("Example:\n  dormouse account key rotate 111111111111 AKIA... --overlap 3600");
}

}  // namespace dormouse::cli
