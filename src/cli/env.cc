// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/export_line.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

// The services that a daemon serves: the name in the endpoint's variable, and in the AWS configuration file.
constexpr std::pair<const char*, const char*> kServices[] = {
    {"LAMBDA_MICROVMS", "lambda_microvms"},
    {"LAMBDA_CORE", "lambda_core"},
    {"S3", "s3"},
    {"STS", "sts"},
    {"IAM", "iam"},
    {"CLOUDWATCH_LOGS", "cloudwatch_logs"},
};

struct Options {
  std::string profile;
  bool no_credentials = false;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

Variables variables_of(const Profile& profile, bool with_credentials) {
  Variables variables;
  for (const auto& service : kServices) {
    variables.emplace_back(std::string("AWS_ENDPOINT_URL_") + service.first, profile.url);
  }
  variables.emplace_back("AWS_REGION", profile.region);
  variables.emplace_back("AWS_DEFAULT_REGION", profile.region);
  if (const std::string ca = profile.ca_file(); !ca.empty()) {
    variables.emplace_back("DORMOUSE_CA", ca);  // no client reads it: for `curl --cacert $DORMOUSE_CA`
  }
  if (with_credentials) {
    variables.emplace_back("AWS_ACCESS_KEY_ID", profile.credential->access_key);
    variables.emplace_back("AWS_SECRET_ACCESS_KEY", profile.credential->secret);
    if (!profile.credential->session_token.empty()) {
      variables.emplace_back("AWS_SESSION_TOKEN", profile.credential->session_token);
    }
  }
  return variables;
}

// What goes into ~/.aws/config: the services' endpoints by name, so that everything else still reaches AWS.
std::string configuration(const Profile& profile, const std::string& name, bool with_credentials) {
  std::string text = fmt::format("[profile {}]\nregion = {}\nservices = {}\n", name, profile.region, name);
  if (with_credentials) {
    const aws::Credential& credential = *profile.credential;
    text +=
        fmt::format("aws_access_key_id = {}\naws_secret_access_key = {}\n", credential.access_key, credential.secret);
    if (!credential.session_token.empty()) {
      text += fmt::format("aws_session_token = {}\n", credential.session_token);
    }
  }
  text += fmt::format("\n[services {}]\n", name);
  for (const auto& service : kServices) {
    text += fmt::format("{} =\n  endpoint_url = {}\n", service.second, profile.url);
  }
  return text;
}

Status env(const Options& options, const Invocation& invocation) {
  if (!options.profile.empty() && invocation.options.json) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("--profile '{}' is text for ~/.aws/config, which has no JSON form: leave --json or --profile out",
                    options.profile));
  }
  DM_ASSIGN(const Profile profile, find_profile(invocation.options, invocation.environment), "");
  if (!profile.credential && !options.no_credentials) {
    return fail(ErrorKind::kPermissionDenied, profile.credential_problem);
  }
  const Variables variables = variables_of(profile, !options.no_credentials);
  json::object record;
  for (const auto& [name, value] : variables) {
    record[name] = value;
  }
  invocation.answer(record, [&] {
    if (!options.profile.empty()) {
      invocation.terminal.answer(configuration(profile, options.profile, !options.no_credentials));
      return;
    }
    for (const auto& [name, value] : variables) {
      invocation.terminal.answer(export_line(name, value));
    }
  });
  return {};
}

}  // namespace

void add_env(CLI::App& program, Invocation& invocation) {
  CLI::App* const command = program.add_subcommand(
      "env", "variables that lead the AWS clients here, for the services that are served here and no others");
  const auto options = std::make_shared<Options>();
  command->add_option("--profile", options->profile, "print a profile of this name for ~/.aws/config instead");
  command->add_flag("--no-credentials", options->no_credentials, "leave the keys out");
  command->footer(
      "Example:\n"
      "  eval \"$(dormouse env)\" && aws lambda-microvms list-microvm-images\n"
      "  dormouse env --profile dormouse >> ~/.aws/config && aws --profile dormouse s3 ls");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return env(*options, invocation); }; });
}

}  // namespace dormouse::cli
