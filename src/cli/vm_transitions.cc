// SPDX-License-Identifier: Apache-2.0
//
// vm suspend, vm resume, vm terminate: an operation of the service and the state that it leads to.

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"
#include "cli/vm_wait.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Transition {
  const char* verb;
  const char* method;
  const char* suffix;  // last segment of the path; empty: none
  const char* state;   // that it leads to
};

struct Options {
  std::vector<std::string> ids;
  bool all = false;
  bool no_wait = false;
};

Result<std::vector<std::string>> targets(const Transition& transition,
                                         const Options& options,
                                         Service& service,
                                         const os::Context& context) {
  if (!options.all) {
    if (options.ids.empty()) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("name a MicroVM to {}, or --all", transition.verb));
    }
    return options.ids;
  }
  DM_ASSIGN(const json::array microvms, service.list(api_path({"microvms"}), {}, context), "");
  std::vector<std::string> ids;
  for (const json::value& microvm : microvms) {
    const std::string state = text_of(microvm, "state");
    if (state != "TERMINATED" && state != transition.state) {
      ids.push_back(text_of(microvm, "microvmId"));
    }
  }
  return ids;
}

Status apply(const Transition& transition, const Options& options, Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::vector<std::string> ids, targets(transition, options, service, context), "");
  for (const std::string& id : ids) {
    const std::string path =
        *transition.suffix == '\0' ? api_path({"microvms", id}) : api_path({"microvms", id, transition.suffix});
    DM_TRY(service.call(transition.method, path, {}, nullptr, context), fmt::format("{} {}", transition.verb, id));
  }
  json::array microvms;
  for (const std::string& id : ids) {
    json::value microvm = json::object{{"microvmId", id}};
    if (!options.no_wait) {
      DM_ASSIGN(microvm, wait_for_state(invocation, service, id, transition.state, context), transition.verb);
    }
    microvms.push_back(std::move(microvm));
  }
  invocation.answer(json::object{{"microvms", microvms}}, [&] {
    for (const std::string& id : ids) {
      invocation.terminal.answer(fmt::format("{}  {}", id, options.no_wait ? "accepted" : transition.state));
    }
    if (ids.empty()) {
      invocation.terminal.note(fmt::format("no MicroVM to {}", transition.verb));
    }
  });
  return {};
}

void add(CLI::App& vm, Invocation& invocation, const Transition& transition, const char* about, const char* example) {
  CLI::App* const command = vm.add_subcommand(transition.verb, about);
  const auto options = std::make_shared<Options>();
  command->add_option("MICROVM", options->ids, "microvm-...; may be repeated");
  command->add_flag("--all", options->all, "every one that is not terminated");
  command->add_flag("--no-wait", options->no_wait, "return once the service has accepted");
  command->footer(example);
  command->callback([options, transition, &invocation] {
    invocation.action = [options, transition, &invocation] { return apply(transition, *options, invocation); };
  });
}

}  // namespace

void add_vm_suspend(CLI::App& vm, Invocation& invocation) {
  constexpr Transition kSuspend{.verb = "suspend", .method = "POST", .suffix = "suspend", .state = "SUSPENDED"};
  add(vm,
      invocation,
      kSuspend,
      "put MicroVMs to sleep: state to disk, memory freed",
      "Example:\n  dormouse vm suspend microvm-1f0c...");
}

void add_vm_resume(CLI::App& vm, Invocation& invocation) {
  constexpr Transition kResume{.verb = "resume", .method = "POST", .suffix = "resume", .state = "RUNNING"};
  add(vm,
      invocation,
      kResume,
      "wake MicroVMs; traffic does so too where their policy says so",
      "Example:\n  dormouse vm resume microvm-1f0c...");
}

void add_vm_terminate(CLI::App& vm, Invocation& invocation) {
  constexpr Transition kTerminate{.verb = "terminate", .method = "DELETE", .suffix = "", .state = "TERMINATED"};
  add(vm, invocation, kTerminate, "end MicroVMs, with all they hold", "Example:\n  dormouse vm terminate --all");
}

}  // namespace dormouse::cli
