// SPDX-License-Identifier: Apache-2.0

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

Status list(const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(json::array images, service.list(api_path({"microvm-images"}), {}, context), "");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& image : images) {
    const std::string active = text_of(image, "latestActiveImageVersion");
    rows.push_back({text_of(image, "name"),
                    text_of(image, "state"),
                    active.empty() ? "-" : active,
                    time_text(number_of(image, "createdAt"))});
  }
  invocation.answer(json::object{{"images", std::move(images)}},
                    [&] { invocation.terminal.table({"NAME", "STATE", "ACTIVE", "CREATED"}, rows); });
  return {};
}

}  // namespace

void add_image_list(CLI::App& image, Invocation& invocation) {
  CLI::App* const command = image.add_subcommand("list", "all images");
  command->footer("Example:\n  dormouse image list --json | jq -r '.images[].imageArn'");
  command->callback([&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
}

}  // namespace dormouse::cli
