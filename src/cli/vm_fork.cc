// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/vm_launch.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string source;  // a MicroVM or a checkpoint, by id
  int count = 1;
  LaunchOptions launch;
};

Status run(const Options& options, Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(json::object members, launch_members(options.launch), "");
  members["count"] = options.count;
  const json::value body(std::move(members));
  const char* const kind = options.source.starts_with("checkpoint-") ? "checkpoints" : "microvms";
  DM_ASSIGN(json::value forked,
            service.call("POST", extension_path({kind, options.source, "fork"}), {}, &body, context),
            "fork " + options.source);
  json::array children = forked.as_object().at("items").as_array();
  DM_TRY(await_launches(options.launch, children, invocation, service, context), "fork");
  invocation.answer(json::object{{"microvms", children}}, [&] { show_launches(children, invocation.terminal); });
  return {};
}

}  // namespace

void add_vm_fork(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("fork", "launch MicroVMs that go on from what another one is");
  const auto options = std::make_shared<Options>();
  command->add_option("SOURCE", options->source, "microvm-..., running or suspended, or checkpoint-...")->required();
  command->add_option("--count", options->count, "how many")->check(CLI::Range(1, 100))->capture_default_str();
  add_launch_options(*command, options->launch);
  command->footer(
      "What is not given the children have from their source. --idle replaces its idle policy whole: without "
      "--suspended and\n"
      "--no-auto-resume these are their defaults, not as the source has them.\n"
      "Examples:\n"
      "  dormouse vm fork microvm-1f0c... --count 5\n"
      "  dormouse vm fork checkpoint-77ab...");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return run(*options, invocation); }; });
}

}  // namespace dormouse::cli
