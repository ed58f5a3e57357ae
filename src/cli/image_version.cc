// SPDX-License-Identifier: Apache-2.0
//
// image version list, describe, activate, deactivate, delete.

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/deletion.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  bool no_wait = false;
};

std::string memory_of(const json::value& version) {
  const json::value* const resources = member_of(version, "resources");
  if (resources == nullptr || !resources->is_array() || resources->as_array().empty()) {
    return "";
  }
  return text_of(resources->as_array().front(), "minimumMemoryInMiB") + " MiB";
}

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(json::array versions, service.list(api_path({"microvm-images", arn, "versions"}), {}, context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& version : versions) {
    rows.push_back({text_of(version, "imageVersion"),
                    text_of(version, "state"),
                    text_of(version, "status"),
                    memory_of(version),
                    time_text(number_of(version, "createdAt")),
                    text_of(version, "description")});
  }
  invocation.answer(json::object{{"versions", std::move(versions)}}, [&] {
    invocation.terminal.table({"VERSION", "STATE", "STATUS", "MEMORY", "CREATED", "DESCRIPTION"}, rows);
  });
  return {};
}

void show(Terminal& terminal, const json::value& version) {
  const auto line = [&](const char* title, const std::string& value) {
    if (!value.empty()) {
      terminal.answer(fmt::format("{}: {}", title, value));
    }
  };
  const auto whole = [&](const char* title, const char* member) {
    line(title, text_of(version, member));  // JSON, if it is more than a text
  };
  terminal.answer(fmt::format("{} version {}", text_of(version, "imageArn"), text_of(version, "imageVersion")));
  line("state", text_of(version, "state") + ", " + text_of(version, "status"));
  whole("reason", "stateReason");
  whole("description", "description");
  line("created", time_text(number_of(version, "createdAt")));
  line("base", name_of_arn(text_of(version, "baseImageArn")) + " " + text_of(version, "baseImageVersion"));
  if (const json::value* artifact = member_of(version, "codeArtifact")) {
    line("artifact", text_of(*artifact, "uri"));
  }
  whole("build role", "buildRoleArn");
  line("memory", memory_of(version));
  whole("capabilities", "additionalOsCapabilities");
  whole("egress", "egressNetworkConnectors");
  whole("logging", "logging");
  whole("hooks", "hooks");
  if (const json::value* variables = member_of(version, "environmentVariables")) {
    for (const auto& [name, value] : variables->as_object()) {
      line("environment", fmt::format("{}={}", std::string_view(name), text_of(*variables, name)));
    }
  }
}

Status describe(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const json::value version,
            service.call("GET", api_path({"microvm-images", arn, "versions", options.version}), {}, nullptr, context),
            "");
  invocation.answer(version, [&] { show(invocation.terminal, version); });
  return {};
}

Status set_status(const Options& options, const char* status, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  const json::value body = json::object{{"status", status}};
  DM_ASSIGN(const json::value version,
            service.call("PATCH", api_path({"microvm-images", arn, "versions", options.version}), {}, &body, context),
            "");
  invocation.answer(version, [&] {
    invocation.terminal.answer(
        fmt::format("{} version {} is {}", arn, text_of(version, "imageVersion"), text_of(version, "status")));
  });
  return {};
}

Status activate(const Options& options, const Invocation& invocation) {
  return set_status(options, "ACTIVE", invocation);
}

Status deactivate(const Options& options, const Invocation& invocation) {
  return set_status(options, "INACTIVE", invocation);
}

Status remove(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  const std::string what = fmt::format("version {} of {}", options.version, name_of_arn(arn));
  DM_TRY(delete_and_wait(invocation,
                         service,
                         api_path({"microvm-images", arn, "versions", options.version}),
                         what,
                         "state",
                         !options.no_wait,
                         context),
         "");
  invocation.answer(json::object{{"imageArn", arn}, {"imageVersion", options.version}}, [&] {
    invocation.terminal.answer(what + (options.no_wait ? " is being deleted" : " is deleted"));
  });
  return {};
}

using Run = Status (*)(const Options&, const Invocation&);

struct Added {
  CLI::App* command;
  std::shared_ptr<Options> options;
};

Added add(CLI::App& parent,
          Invocation& invocation,
          const char* verb,
          const char* about,
          const char* example,
          bool of_one,
          Run run) {
  CLI::App* const command = parent.add_subcommand(verb, about);
  auto options = std::make_shared<Options>();
  command->add_option("IMAGE", options->image, "name or ARN")->required();
  if (of_one) {
    command->add_option("VERSION", options->version, "such as 1.0, or 1")->required();
  }
  command->footer(std::string("Example:\n  ") + example);
  command->callback([options, run, &invocation] {
    invocation.action = [options, run, &invocation] { return run(*options, invocation); };
  });
  return {command, options};
}

}  // namespace

void add_image_version(CLI::App& image, Invocation& invocation) {
  CLI::App* const version = image.add_subcommand("version", "the versions of an image");
  version->require_subcommand(1);
  add(*version, invocation, "list", "all versions", "dormouse image version list counter", false, list);
  add(*version,
      invocation,
      "describe",
      "what a version was made of, and why it failed",
      "dormouse image version describe counter 2.0",
      true,
      describe);
  add(*version,
      invocation,
      "activate",
      "let MicroVMs be launched from a version",
      "dormouse image version activate counter 1.0",
      true,
      activate);
  add(*version,
      invocation,
      "deactivate",
      "launch no MicroVMs from a version any more; those there are run on",
      "dormouse image version deactivate counter 1.0",
      true,
      deactivate);
  const Added deletion = add(*version,
                             invocation,
                             "delete",
                             "delete a version that no MicroVM is of; the last one goes with its image",
                             "dormouse image version delete counter 1.0",
                             true,
                             remove);
  deletion.command->add_flag("--no-wait", deletion.options->no_wait, "return while the service deletes");
}

}  // namespace dormouse::cli
