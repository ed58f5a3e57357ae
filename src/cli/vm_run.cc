// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/connector_arn.h"
#include "cli/logging_options.h"
#include "cli/vm_launch.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  std::string execution_role;
  std::string client_token;
  int count = 1;
  std::vector<std::string> ingress;
  std::vector<std::string> egress;
  LoggingOptions logging;
  LaunchOptions launch;
};

// The ARNs of `names`, as the member `member`; none if there are no names.
Status put_connectors(const std::vector<std::string>& names,
                      const char* member,
                      json::object& request,
                      Service& service,
                      const os::Context& context) {
  json::array arns;
  for (const std::string& name : names) {
    DM_ASSIGN(const std::string arn, connector_arn(service, name, context), "");
    arns.push_back(json::string(arn));
  }
  if (!arns.empty()) {
    request[member] = std::move(arns);
  }
  return {};
}

Result<json::value> request_of(const Options& options,
                               const std::string& arn,
                               Service& service,
                               const os::Context& context) {
  DM_ASSIGN(json::object body, launch_members(options.launch), "");
  body["imageIdentifier"] = arn;
  if (!options.version.empty()) {
    body["imageVersion"] = options.version;
  }
  if (!options.execution_role.empty()) {
    body["executionRoleArn"] = options.execution_role;
  }
  if (!options.client_token.empty()) {
    body["clientToken"] = options.client_token;
  }
  DM_TRY(put_connectors(options.ingress, "ingressNetworkConnectors", body, service, context), "--ingress");
  DM_TRY(put_connectors(options.egress, "egressNetworkConnectors", body, service, context), "--egress");
  DM_TRY(apply_logging(options.logging, body), "");
  return json::value(std::move(body));
}

Status run(const Options& options, Invocation& invocation) {
  if (!options.client_token.empty() && options.count > 1) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("--client-token '{}' stands for one MicroVM, --count {} asks for more: repeat the command with "
                    "other tokens",
                    options.client_token,
                    options.count));
  }
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const json::value body, request_of(options, arn, service, context), "");
  json::array microvms;
  for (int i = 0; i < options.count; ++i) {
    auto microvm = service.call("POST", api_path({"microvms"}), {}, &body, context);
    if (!microvm) {
      return fail(with_launched(microvm.error(), microvms));
    }
    microvms.push_back(*std::move(microvm));
  }
  DM_TRY(await_launches(options.launch, microvms, invocation, service, context), "");
  const json::value record = options.count == 1 ? microvms.front() : json::value(json::object{{"microvms", microvms}});
  invocation.answer(record, [&] { show_launches(microvms, invocation.terminal); });
  return {};
}

}  // namespace

void add_vm_run(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("run", "launch MicroVMs from an image");
  const auto options = std::make_shared<Options>();
  command->add_option("IMAGE", options->image, "name or ARN")->required();
  command->add_option("--version", options->version, "image version; the latest active one if left out");
  add_launch_options(*command, options->launch);
  command
      ->add_option(
          "--ingress", options->ingress, "HTTP_INGRESS, ALL_INGRESS, SHELL_INGRESS, NO_INGRESS; may be repeated")
      ->allow_extra_args(false);
  command
      ->add_option("--egress",
                   options->egress,
                   "INTERNET_EGRESS, or a network connector's name, id or ARN; may be repeated; as the image has it if "
                   "left out")
      ->allow_extra_args(false);
  add_logging_options(*command, options->logging);
  command->add_option("--execution-role", options->execution_role, "role ARN");
  command->add_option(
      "--client-token",
      options->client_token,
      "a command that is repeated with this token within a day, and is otherwise the same, does nothing "
      "but answer as the first time; 64 characters at most");
  command->add_option("--count", options->count, "how many")->check(CLI::Range(1, 1000))->capture_default_str();
  command->footer("Example:\n  dormouse vm run counter --idle 300 --suspended 86400");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return run(*options, invocation); }; });
}

}  // namespace dormouse::cli
