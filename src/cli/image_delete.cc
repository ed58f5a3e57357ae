// SPDX-License-Identifier: Apache-2.0

#include <poll.h>

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

Status remove(const std::vector<std::string>& names, bool wait, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(10));
  DM_ASSIGN(Service service, invocation.connect(), "");
  json::array deleted;
  for (const std::string& name : names) {
    DM_ASSIGN(const std::string arn, service.image_arn(name, context), "");
    const std::string path = api_path({"microvm-images", arn});
    DM_TRY(service.call("DELETE", path, {}, nullptr, context), "delete image " + name);
    while (wait) {
      auto left = service.call("GET", path, {}, nullptr, context);
      if (!left && left.error().kind() == ErrorKind::kNotFound) {
        break;
      }
      DM_TRY(left, "delete image " + name);
      if (text_of(*left, "state") == "DELETE_FAILED") {
        return fail(ErrorKind::kInternal, fmt::format("image {} could not be deleted", name));
      }
      invocation.terminal.progress("deleting " + name);
      DM_TRY(context.check("wait until it is deleted"), name);
      ::poll(nullptr, 0, 200);
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
