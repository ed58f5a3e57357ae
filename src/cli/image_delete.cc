// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/deletion.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

// The refusal with the VMs that it is for, which the service leaves out.
Error with_holders(Error refused, Service& service, const std::string& arn, const os::Context& context) {
  if (refused.message().find("with running microvms") == std::string::npos) {
    return refused;
  }
  const auto microvms = service.list(api_path({"microvms"}), {{"imageIdentifier", arn}}, context);
  std::string holders;
  for (const json::value& vm : microvms ? *microvms : json::array()) {
    if (text_of(vm, "state") != "TERMINATED") {
      holders += (holders.empty() ? "" : ", ") + text_of(vm, "microvmId");
    }
  }
  return holders.empty() ? refused : Error(refused.kind(), refused.message() + " They are: " + holders);
}

Status remove(const std::vector<std::string>& names, bool wait, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::array deleted;
  for (const std::string& name : names) {
    DM_ASSIGN(const std::string arn, service.image_arn(name, context), "");
    const std::string path = api_path({"microvm-images", arn});
    if (auto done = delete_and_wait(invocation, service, path, "image " + name, "state", wait, context); !done) {
      return fail(with_holders(std::move(done).error(), service, arn, context));
    }
    deleted.push_back(json::string(arn));
  }
  invocation.answer(json::object{{"deleted", deleted}}, [&] {
    for (const json::value& arn : deleted) {
      invocation.terminal.answer(std::string(arn.as_string()) + (wait ? " is deleted" : " is being deleted"));
    }
  });
  return {};
}

}  // namespace

void add_image_delete(CLI::App& image, Invocation& invocation) {
  CLI::App* const command = image.add_subcommand("delete", "delete images, with all their versions");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto no_wait = std::make_shared<bool>(false);
  command->add_option("IMAGE", *names, "name or ARN; may be repeated")->required();
  command->add_flag("--no-wait", *no_wait, "return while the service deletes");
  command->footer("Example:\n  dormouse image delete counter");
  command->callback([names, no_wait, &invocation] {
    invocation.action = [names, no_wait, &invocation] { return remove(*names, !*no_wait, invocation); };
  });
}

}  // namespace dormouse::cli
