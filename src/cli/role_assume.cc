// SPDX-License-Identifier: Apache-2.0
//
// role assume: temporary credentials, by `sts`.

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/add_command.h"
#include "cli/command.h"
#include "cli/export_line.h"
#include "cli/record.h"
#include "cli/role_answer.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string role;
  std::string session = "dormouse";
  int seconds = 0;  // 0: as the service has it
};

Result<std::string> arn_of(Service& service, const std::string& role, const os::Context& context) {
  if (role.starts_with("arn:")) {
    return role;
  }
  const auto answer = service.iam("GetRole", {{"RoleName", role}}, context);
  if (!answer) {
    return role_refusal(answer.error(), role);
  }
  const json::value* const found = member_of(*answer, "Role");
  return found == nullptr ? std::string() : text_of(*found, "Arn");
}

// Adds which value was refused, and what can be done about it.
tl::unexpected<Error> refusal(const Error& error, const Options& options) {
  const std::string& message = error.message();
  if (message.starts_with("The requested DurationSeconds exceeds the 1 hour")) {
    return fail(
        error.kind(),
        fmt::format(
            "{}: --duration {}; give 3600 or less, or assume it with a key of the account", message, options.seconds));
  }
  if (message.starts_with("The requested DurationSeconds exceeds ")) {
    return fail(error.kind(),
                fmt::format("{} --duration {}: `dormouse role describe {}` shows how long a session may last.",
                            message,
                            options.seconds,
                            role_name(options.role)));
  }
  if (error.kind() == ErrorKind::kPermissionDenied && message.find(" sts:AssumeRole on ") != std::string::npos) {
    return fail(error.kind(), message + "; an account assumes its own roles alone, which `dormouse role list` shows");
  }
  return fail(Error(error));
}

Status assume(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, arn_of(service, options.role, context), "");
  Service::Query query{{"RoleArn", arn}, {"RoleSessionName", options.session}};
  if (options.seconds != 0) {
    query.emplace_back("DurationSeconds", std::to_string(options.seconds));
  }
  const auto answer = service.sts("AssumeRole", query, context);
  if (!answer) {
    return refusal(answer.error(), options);
  }
  const json::value* const credentials = member_of(*answer, "Credentials");
  if (credentials == nullptr) {
    return fail(ErrorKind::kInternal, "AssumeRole: the answer has no Credentials");
  }
  invocation.answer(*answer, [&] {
    Terminal& terminal = invocation.terminal;
    terminal.answer(export_line("AWS_ACCESS_KEY_ID", text_of(*credentials, "AccessKeyId")));
    terminal.answer(export_line("AWS_SECRET_ACCESS_KEY", text_of(*credentials, "SecretAccessKey")));
    terminal.answer(export_line("AWS_SESSION_TOKEN", text_of(*credentials, "SessionToken")));
    terminal.note("they end at " + text_of(*credentials, "Expiration"));
  });
  return {};
}

}  // namespace

void add_role_assume(CLI::App& role, Invocation& invocation) {
  Options* options = nullptr;
  CLI::App* const command =
      add_command(role, invocation, "assume", "temporary credentials of a role, for a shell", assume, options);
  command->add_option("ROLE", options->role, "name or ARN")->required();
  command->add_option("--session", options->session, "its name: 2 to 64 letters, digits and _+=,.@-")
      ->capture_default_str();
  command->add_option("--duration", options->seconds, "seconds until they end, 3600 unless told")
      ->check(CLI::Range(900, 43'200));
  command->footer(
      "Examples:\n"
      "  eval \"$(dormouse role assume build)\" && dormouse image list\n"
      "  dormouse role assume build --session nightly --duration 900 --json | jq .Credentials");
}

}  // namespace dormouse::cli
