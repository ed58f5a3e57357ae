// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

Status list(const std::string& image, bool all, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  Service::Query query;
  if (!image.empty()) {
    DM_ASSIGN(const std::string arn, service.image_arn(image, context), "");
    query.emplace_back("imageIdentifier", arn);
  }
  DM_ASSIGN(const json::array microvms, service.list(api_path({"microvms"}), query, context), "");
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  json::array shown;
  std::vector<std::vector<std::string>> rows;
  for (const json::value& microvm : microvms) {
    const std::string state = text_of(microvm, "state");
    if (!all && state == "TERMINATED") {
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
  CLI::App* const command = vm.add_subcommand("list", "MicroVMs that are not terminated");
  const auto image = std::make_shared<std::string>();
  const auto all = std::make_shared<bool>(false);
  command->add_option("--image", *image, "only clones of this image: name or ARN");
  command->add_flag("-a,--all", *all, "terminated ones too");
  command->footer("Example:\n  dormouse vm list --image counter");
  command->callback([image, all, &invocation] {
    invocation.action = [image, all, &invocation] { return list(*image, *all, invocation); };
  });
}

}  // namespace dormouse::cli
