// SPDX-License-Identifier: Apache-2.0
//
// account key create, list, revoke, rotate.

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/add_command.h"
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

}  // namespace

void add_account_key(CLI::App& account, Invocation& invocation) {
  CLI::App* const key = account.add_subcommand("key", "the access keys of an account");
  key->require_subcommand(1);
  Options* options = nullptr;
  const auto add = [&](const char* verb, const char* about, auto run, const char* footer) {
    CLI::App* const command = add_command(*key, invocation, verb, about, run, options);
    command->add_option("ACCOUNT", options->account, "12 digits")->required();
    command->footer(footer);
    return command;
  };
  add("create",
      "a new key; its secret is shown once",
      create,
      "Example:\n  dormouse account key create 111111111111 >> ~/.aws/credentials");
  add("list", "the keys, without their secrets", list, "Example:\n  dormouse account key list 111111111111");
  CLI::App* command = add("revoke",
                          "a key is no longer taken, from now on",
                          revoke,
                          "Example:\n  dormouse account key revoke 111111111111 AKIA...");
  command->add_option("KEY", options->key, "AKIA...")->required();
  command = add("rotate",
                "a new key in place of one that works on for a while",
                rotate,
                "Example:\n  dormouse account key rotate 111111111111 AKIA... --overlap 3600");
  command->add_option("KEY", options->key, "AKIA..., the old one")->required();
  command->add_option("--overlap", options->overlap_seconds, "seconds that the old key works on")
      ->capture_default_str();
}

}  // namespace dormouse::cli
