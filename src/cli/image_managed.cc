// SPDX-License-Identifier: Apache-2.0

#include <memory>

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
  DM_ASSIGN(const json::array images, service.list(api_path({"managed-microvm-images"}), {}, context), "");
  json::array described;
  std::vector<std::vector<std::string>> rows;
  for (const json::value& image : images) {
    const std::string arn = text_of(image, "imageArn");
    DM_ASSIGN(json::array versions,
              service.list(api_path({"managed-microvm-images", arn, "versions"}), {}, context),
              "versions of " + arn);
    for (const json::value& version : versions) {
      rows.push_back({name_of_arn(arn),
                      text_of(version, "imageVersion"),
                      text_of(version, "status"),
                      time_text(number_of(version, "createdAt")),
                      arn});
    }
    json::object whole = image.as_object();
    whole["versions"] = std::move(versions);
    described.push_back(std::move(whole));
  }
  invocation.answer(json::object{{"images", std::move(described)}},
                    [&] { invocation.terminal.table({"NAME", "VERSION", "STATUS", "CREATED", "ARN"}, rows); });
  return {};
}

}  // namespace

void add_image_managed(CLI::App& image, Invocation& invocation) {
  CLI::App* const command = image.add_subcommand("managed", "the managed base images that images are built on");
  command->footer("Example:\n  dormouse image managed");
  command->callback([&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
}

}  // namespace dormouse::cli
