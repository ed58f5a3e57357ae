// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"
#include "cli/vm_wait.h"
#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  std::string payload;  // @FILE: the file's content
  std::string execution_role;
  int count = 1;
  int idle_seconds = 0;
  int suspended_seconds = 3600;
  bool no_auto_resume = false;
  int maximum_seconds = 0;
  std::vector<std::string> ingress;
  bool no_wait = false;
};

Result<json::value> request_of(const Options& options, const std::string& arn, const std::string& region) {
  json::object body{{"imageIdentifier", arn}};
  if (!options.version.empty()) {
    body["imageVersion"] = options.version;
  }
  if (options.payload.starts_with('@')) {
    DM_ASSIGN(body["runHookPayload"], os::read_file(options.payload.substr(1), 1U << 20U), "--payload");
  } else if (!options.payload.empty()) {
    body["runHookPayload"] = options.payload;
  }
  if (!options.execution_role.empty()) {
    body["executionRoleArn"] = options.execution_role;
  }
  if (options.idle_seconds > 0) {
    body["idlePolicy"] = json::object{{"maxIdleDurationSeconds", options.idle_seconds},
                                      {"suspendedDurationSeconds", options.suspended_seconds},
                                      {"autoResumeEnabled", !options.no_auto_resume}};
  }
  if (options.maximum_seconds > 0) {
    body["maximumDurationInSeconds"] = options.maximum_seconds;
  }
  if (!options.ingress.empty()) {
    json::array connectors;
    for (const std::string& name : options.ingress) {
      connectors.push_back(json::string(
          name.starts_with("arn:")
              ? name
              : fmt::format("arn:aws:lambda:{}:aws:network-connector:aws-network-connector:{}", region, name)));
    }
    body["ingressNetworkConnectors"] = std::move(connectors);
  }
  return json::value(std::move(body));
}

Status run(const Options& options, Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const json::value body, request_of(options, arn, service.profile().region), "");
  json::array microvms;
  for (int i = 0; i < options.count; ++i) {
    DM_ASSIGN(json::value microvm, service.call("POST", api_path({"microvms"}), {}, &body, context), "");
    microvms.push_back(std::move(microvm));
  }
  for (json::value& microvm : microvms) {
    if (!options.no_wait) {
      DM_ASSIGN(microvm, wait_for_state(invocation, service, text_of(microvm, "microvmId"), "RUNNING", context), "");
    }
  }
  const json::value record = options.count == 1 ? microvms.front() : json::value(json::object{{"microvms", microvms}});
  invocation.answer(record, [&] {
    for (const json::value& microvm : microvms) {
      invocation.terminal.answer(
          fmt::format("{}  https://{}", text_of(microvm, "microvmId"), text_of(microvm, "endpoint")));
    }
  });
  return {};
}

}  // namespace

void add_vm_run(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("run", "launch MicroVMs from an image");
  const auto options = std::make_shared<Options>();
  command->add_option("IMAGE", options->image, "name or ARN")->required();
  command->add_option("--version", options->version, "image version; the latest active one if left out");
  command->add_option("--payload", options->payload, "for the application's /run hook; @FILE: the content of a file");
  command->add_option("--idle", options->idle_seconds, "suspend after so many seconds without traffic (60 at least)");
  command
      ->add_option("--suspended", options->suspended_seconds, "with --idle: terminate after so many seconds of sleep")
      ->capture_default_str();
  command->add_flag("--no-auto-resume", options->no_auto_resume, "with --idle: traffic does not wake it");
  command->add_option("--max-duration", options->maximum_seconds, "terminate after so many seconds (28800 at most)");
  command
      ->add_option(
          "--ingress", options->ingress, "HTTP_INGRESS, ALL_INGRESS, SHELL_INGRESS, NO_INGRESS; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--execution-role", options->execution_role, "role ARN");
  command->add_option("--count", options->count, "how many")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_flag("--no-wait", options->no_wait, "return once the service has accepted");
  command->footer("Example:\n  dormouse vm run counter --idle 300 --suspended 86400");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return run(*options, invocation); }; });
}

}  // namespace dormouse::cli
