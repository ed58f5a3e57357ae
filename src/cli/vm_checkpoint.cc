// SPDX-License-Identifier: Apache-2.0
//
// vm checkpoint create, list, delete, and vm rollback.

#include <algorithm>
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

constexpr std::chrono::minutes kPatience{10};

struct Names {
  std::string microvm;
  std::string checkpoint;  // an id, or a name
};

std::string mebibytes(const json::value& checkpoint) {
  return fmt::format("{:.1f} MiB", number_of(checkpoint, "sizeInBytes") / (1 << 20));
}

Status create(const Names& names, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kPatience);
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::object members;
  if (!names.checkpoint.empty()) {
    members["name"] = names.checkpoint;
  }
  const json::value body(std::move(members));
  DM_ASSIGN(const json::value checkpoint,
            service.call("POST", extension_path({"microvms", names.microvm, "checkpoints"}), {}, &body, context),
            "checkpoint " + names.microvm);
  invocation.answer(checkpoint, [&] {
    invocation.terminal.answer(fmt::format("{}  {}", text_of(checkpoint, "checkpointId"), mebibytes(checkpoint)));
  });
  return {};
}

Status list(const Names& names, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  Service::Query query;
  if (!names.microvm.empty()) {
    query.emplace_back("microvmIdentifier", names.microvm);
  }
  DM_ASSIGN(const json::array checkpoints, service.list(extension_path({"checkpoints"}), query, context), "");
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::vector<std::vector<std::string>> rows;
  for (const json::value& checkpoint : checkpoints) {
    rows.push_back({text_of(checkpoint, "checkpointId"),
                    text_of(checkpoint, "name"),
                    text_of(checkpoint, "microvmId"),
                    name_of_arn(text_of(checkpoint, "imageArn")) + " " + text_of(checkpoint, "imageVersion"),
                    mebibytes(checkpoint),
                    duration_text(std::max(0.0, now - number_of(checkpoint, "createdAt")))});
  }
  invocation.answer(json::object{{"checkpoints", checkpoints}}, [&] {
    invocation.terminal.table({"CHECKPOINT", "NAME", "MICROVM", "IMAGE", "SIZE", "AGE"}, rows);
  });
  return {};
}

Status remove(const std::vector<std::string>& ids, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kPatience);
  DM_ASSIGN(Service service, invocation.connect(), "");
  for (const std::string& id : ids) {
    DM_TRY(service.call("DELETE", extension_path({"checkpoints", id}), {}, nullptr, context), "delete " + id);
  }
  const json::value deleted = json::value_from(ids);
  invocation.answer(json::object{{"deleted", deleted}}, [&] {
    for (const std::string& id : ids) {
      invocation.terminal.answer(id + "  deleted");
    }
  });
  return {};
}

Status rollback(const Names& names, bool no_wait, Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kPatience);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(
      const json::value before, service.call("GET", api_path({"microvms", names.microvm}), {}, nullptr, context), "");
  const json::value body = json::object{{"checkpointIdentifier", names.checkpoint}};
  DM_TRY(service.call("POST", extension_path({"microvms", names.microvm, "rollback"}), {}, &body, context),
         "roll back " + names.microvm);
  json::value after = json::object{{"microvmId", names.microvm}};
  const std::string state = text_of(before, "state") == "RUNNING" ? "RUNNING" : "SUSPENDED";
  if (!no_wait) {
    DM_ASSIGN(after, wait_for_state(invocation, service, names.microvm, state, context), "roll back");
  }
  invocation.answer(
      after, [&] { invocation.terminal.answer(fmt::format("{}  {}", names.microvm, no_wait ? "accepted" : state)); });
  return {};
}

void add_create(CLI::App& checkpoint, Invocation& invocation) {
  CLI::App* const command = checkpoint.add_subcommand("create", "keep what a MicroVM is now; it runs, or sleeps, on");
  const auto names = std::make_shared<Names>();
  command->add_option("MICROVM", names->microvm, "microvm-...")->required();
  command->add_option("--name", names->checkpoint, "letters, digits, - and _; one of its own among the MicroVM's");
  command->footer("Example:\n  dormouse vm checkpoint create microvm-1f0c... --name before-migration");
  command->callback(
      [names, &invocation] { invocation.action = [names, &invocation] { return create(*names, invocation); }; });
}

void add_list(CLI::App& checkpoint, Invocation& invocation) {
  CLI::App* const command = checkpoint.add_subcommand("list", "checkpoints, newest first");
  const auto names = std::make_shared<Names>();
  command->add_option("MICROVM", names->microvm, "only those of this one: microvm-...");
  command->footer("Example:\n  dormouse vm checkpoint list microvm-1f0c...");
  command->callback(
      [names, &invocation] { invocation.action = [names, &invocation] { return list(*names, invocation); }; });
}

void add_delete(CLI::App& checkpoint, Invocation& invocation) {
  CLI::App* const command = checkpoint.add_subcommand("delete", "remove checkpoints");
  const auto ids = std::make_shared<std::vector<std::string>>();
  command->add_option("CHECKPOINT", *ids, "checkpoint-...; may be repeated")->required();
  command->footer("Example:\n  dormouse vm checkpoint delete checkpoint-77ab...");
  command->callback(
      [ids, &invocation] { invocation.action = [ids, &invocation] { return remove(*ids, invocation); }; });
}

}  // namespace

void add_vm_checkpoint(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("checkpoint", "states of MicroVMs that are kept");
  command->require_subcommand(1);
  command->footer(
      "Checkpoints stay when their MicroVM ends, until they are deleted.\n"
      "Examples:\n"
      "  dormouse vm checkpoint create microvm-1f0c... --name before-migration\n"
      "  dormouse vm rollback microvm-1f0c... before-migration\n"
      "  dormouse vm fork checkpoint-77ab...");
  add_create(*command, invocation);
  add_list(*command, invocation);
  add_delete(*command, invocation);
}

void add_vm_rollback(CLI::App& vm, Invocation& invocation) {
  CLI::App* const command = vm.add_subcommand("rollback", "make a MicroVM what it was at one of its checkpoints");
  const auto names = std::make_shared<Names>();
  const auto no_wait = std::make_shared<bool>(false);
  command->add_option("MICROVM", names->microvm, "microvm-..., running or suspended, which it then is again")
      ->required();
  command->add_option("CHECKPOINT", names->checkpoint, "checkpoint-..., or its name")->required();
  command->add_flag("--no-wait", *no_wait, "return once its state was replaced");
  command->footer("Example:\n  dormouse vm rollback microvm-1f0c... before-migration");
  command->callback([names, no_wait, &invocation] {
    invocation.action = [names, no_wait, &invocation] { return rollback(*names, *no_wait, invocation); };
  });
}

}  // namespace dormouse::cli
