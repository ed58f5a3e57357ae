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
  std::string source;  // a MicroVM or a checkpoint, by id
  int count = 1;
  std::string payload;  // @FILE: the file's content
  int idle_seconds = 0;
  int suspended_seconds = 3600;
  bool no_auto_resume = false;
  int maximum_seconds = 0;
  bool no_wait = false;
};

Result<json::value> request_of(const Options& options) {
  json::object body{{"count", options.count}};
  if (options.payload.starts_with('@')) {
    DM_ASSIGN(body["runHookPayload"], os::read_file(options.payload.substr(1), 1U << 20U), "--payload");
  } else if (!options.payload.empty()) {
    body["runHookPayload"] = options.payload;
  }
  if (options.idle_seconds > 0) {
    body["idlePolicy"] = json::object{{"maxIdleDurationSeconds", options.idle_seconds},
                                      {"suspendedDurationSeconds", options.suspended_seconds},
                                      {"autoResumeEnabled", !options.no_auto_resume}};
  }
  if (options.maximum_seconds > 0) {
    body["maximumDurationInSeconds"] = options.maximum_seconds;
  }
  return json::value(std::move(body));
}

Status run(const Options& options, Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value body, request_of(options), "");
  const char* const kind = options.source.starts_with("checkpoint-") ? "checkpoints" : "microvms";
  DM_ASSIGN(json::value forked,
            service.call("POST", extension_path({kind, options.source, "fork"}), {}, &body, context),
            "fork " + options.source);
  json::array children = forked.as_object().at("items").as_array();
  for (json::value& child : children) {
    if (!options.no_wait) {
      const json::value parent = child.as_object().at("parentMicrovmId");
      DM_ASSIGN(child, wait_for_state(invocation, service, text_of(child, "microvmId"), "RUNNING", context), "fork");
      child.as_object()["parentMicrovmId"] = parent;
    }
  }
  invocation.answer(json::object{{"microvms", children}}, [&] {
    for (const json::value& child : children) {
      invocation.terminal.answer(
          fmt::format("{}  https://{}", text_of(child, "microvmId"), text_of(child, "endpoint")));
    }
  });
  return {};
}

}  // namespace

void add_vm_fork(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("fork", "launch MicroVMs that go on from what another one is");
  const auto options = std::make_shared<Options>();
  command->add_option("SOURCE", options->source, "microvm-..., running or suspended, or checkpoint-...")->required();
  command->add_option("--count", options->count, "how many")->check(CLI::Range(1, 100))->capture_default_str();
  command->add_option("--payload", options->payload, "for the application's /run hook; @FILE: the content of a file");
  command->add_option("--idle", options->idle_seconds, "suspend after so many seconds without traffic (60 at least)");
  command
      ->add_option("--suspended", options->suspended_seconds, "with --idle: terminate after so many seconds of sleep")
      ->capture_default_str();
  command->add_flag("--no-auto-resume", options->no_auto_resume, "with --idle: traffic does not wake them");
  command->add_option("--max-duration", options->maximum_seconds, "terminate after so many seconds (28800 at most)");
  command->add_flag("--no-wait", options->no_wait, "return once the service has accepted");
  command->footer(
      "What is not given the children have from their source.\n"
      "Examples:\n"
      "  dormouse vm fork microvm-1f0c... --count 5\n"
      "  dormouse vm fork checkpoint-77ab...");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return run(*options, invocation); }; });
}

}  // namespace dormouse::cli
