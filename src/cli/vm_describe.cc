// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

void show_exit(Terminal& terminal, const json::value& exit) {
  std::string how;
  if (member_of(exit, "exitCode") != nullptr) {
    how += ", exit code " + text_of(exit, "exitCode");
  }
  if (member_of(exit, "signal") != nullptr) {
    how += ", signal " + text_of(exit, "signal");
  }
  const json::value* const memory = member_of(exit, "outOfMemory");
  if (memory != nullptr && memory->is_bool() && memory->as_bool()) {
    how += ", out of memory";
  }
  terminal.answer(fmt::format("ended by: {}{}", text_of(exit, "cause"), how));
}

void show(Terminal& terminal, const json::value& microvm) {
  const auto line = [&](const char* title, const std::string& value) {
    if (!value.empty()) {
      terminal.answer(fmt::format("{}: {}", title, value));
    }
  };
  const auto time = [&](const char* title, const char* member) {
    if (member_of(microvm, member) != nullptr) {
      line(title, time_text(number_of(microvm, member)));
    }
  };
  terminal.answer(text_of(microvm, "microvmId"));
  line("state", text_of(microvm, "state"));
  line("reason", text_of(microvm, "stateReason"));
  if (const json::value* exit = member_of(microvm, "exit")) {
    show_exit(terminal, *exit);
  }
  line("endpoint", "https://" + text_of(microvm, "endpoint"));
  line("image", name_of_arn(text_of(microvm, "imageArn")) + " " + text_of(microvm, "imageVersion"));
  if (member_of(microvm, "isolation") != nullptr) {
    line("isolation", fmt::format("{} ({})", text_of(microvm, "isolation"), text_of(microvm, "isolationReason")));
  }
  time("started", "startedAt");
  time("suspended", "suspendedAt");
  time("terminated", "terminatedAt");
  line("forked from", text_of(microvm, "parentMicrovmId"));
  line("resumes", text_of(microvm, "resumes"));
  if (const json::value* policy = member_of(microvm, "idlePolicy")) {
    line("idle policy",
         fmt::format("suspended after {} s without traffic, terminated after {} s of sleep, {}",
                     text_of(*policy, "maxIdleDurationSeconds"),
                     text_of(*policy, "suspendedDurationSeconds"),
                     text_of(*policy, "autoResumeEnabled") == "true" ? "woken by traffic" : "not woken by traffic"));
  }
  if (const std::string output = text_of(microvm, "lastOutput"); !output.empty()) {
    terminal.answer("last output:");
    terminal.answer(output);
  }
}

Status describe(const std::string& id, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value microvm, service.call("GET", extension_path({"microvms", id}), {}, nullptr, context), "");
  invocation.answer(microvm, [&] { show(invocation.terminal, microvm); });
  return {};
}

}  // namespace

void add_vm_describe(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("describe", "a MicroVM: state and why, isolation, last output");
  const auto id = std::make_shared<std::string>();
  command->add_option("MICROVM", *id, "microvm-...")->required();
  command->footer("Example:\n  dormouse vm describe microvm-1f0c...");
  command->callback([id, &invocation] { invocation.action = [id, &invocation] { return describe(*id, invocation); }; });
}

}  // namespace dormouse::cli
