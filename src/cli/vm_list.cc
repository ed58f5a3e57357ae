// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/add_command.h"
#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  bool all = false;
};

Status list(const Options& options, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  Service::Query query;
  if (!options.image.empty()) {
    DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
    query.emplace_back("imageIdentifier", arn);
  }
  if (!options.version.empty()) {
    query.emplace_back("imageVersion", options.version);
  }
  DM_ASSIGN(const json::array microvms, service.list(api_path({"microvms"}), query, context), "");
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  json::array shown;
  std::vector<std::vector<std::string>> rows;
  for (const json::value& microvm : microvms) {
    const std::string state = text_of(microvm, "state");
    if (!options.all && state == "TERMINATED") {
      continue;
    }
    shown.push_back(microvm);
    rows.push_back({text_of(microvm, "microvmId"),
                    state,
                    name_of_arn(text_of(microvm, "imageArn")),
                    text_of(microvm, "imageVersion"),
                    duration_text(std::max(0.0, now - number_of(microvm, "startedAt")))});
  }
  invocation.answer(json::object{{"microvms", shown}},
                    [&] { invocation.terminal.table({"MICROVM", "STATE", "IMAGE", "VERSION", "AGE"}, rows); });
  return {};
}

}  // namespace

void add_vm_list(CLI::App& vm, Invocation& invocation) {
  Options* options = nullptr;
  CLI::App* const command = add_command(vm, invocation, "list", "MicroVMs that are not terminated", list, options);
  CLI::Option* const image = command->add_option("--image", options->image, "only clones of this image: name or ARN");
  command->add_option("--version", options->version, "only of this version of the image")->needs(image);
  command->add_flag("-a,--all", options->all, "terminated ones too");
  command->footer(
      "Examples:\n"
      "  dormouse vm list --image counter\n"
      "  dormouse vm list --image counter --version 2.0");
}

}  // namespace dormouse::cli
