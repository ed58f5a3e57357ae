// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/build_text.h"
#include "cli/command.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

// The image with its versions, each with its builds.
Result<json::object> gather(Service& service, const std::string& image, const os::Context& context) {
  DM_ASSIGN(const std::string arn, service.image_arn(image, context), "");
  DM_ASSIGN(json::value record, service.call("GET", api_path({"microvm-images", arn}), {}, nullptr, context), "");
  DM_ASSIGN(json::array versions, service.list(api_path({"microvm-images", arn, "versions"}), {}, context), "");
  for (json::value& version : versions) {
    const std::string number = text_of(version, "imageVersion");
    DM_ASSIGN(const json::array builds,
              service.list(api_path({"microvm-images", arn, "versions", number, "builds"}), {}, context),
              "");
    json::array described;
    for (const json::value& build : builds) {
      const std::string path = extension_path({"images", arn, "versions", number, "builds", text_of(build, "buildId")});
      DM_ASSIGN(json::value description, service.call("GET", path, {}, nullptr, context), "");
      described.push_back(std::move(description));
    }
    version.as_object()["builds"] = std::move(described);
  }
  json::object whole = std::move(record.as_object());
  whole["versions"] = std::move(versions);
  return whole;
}

void show(Terminal& terminal, const json::value& image) {
  terminal.answer(fmt::format("{}\nstate: {}\ncreated: {}",
                              text_of(image, "imageArn"),
                              text_of(image, "state"),
                              time_text(number_of(image, "createdAt"))));
  for (const json::value& version : member_of(image, "versions")->as_array()) {
    terminal.answer(fmt::format("version {}: {}, {}, from {}",
                                text_of(version, "imageVersion"),
                                text_of(version, "state"),
                                text_of(version, "status"),
                                name_of_arn(text_of(version, "baseImageArn"))));
    for (const json::value& build : member_of(version, "builds")->as_array()) {
      show_build(terminal, build);
    }
  }
}

Status describe(const std::string& image, const Invocation& invocation) {
  const os::Context context = os::Context::with_timeout(kRequestTimeout);
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const json::value record, gather(service, image, context), "");
  invocation.answer(record, [&] { show(invocation.terminal, record); });
  return {};
}

}  // namespace

void add_image_describe(CLI::App& image, Invocation& invocation) {
  CLI::App* const command =
      image.add_subcommand("describe", "an image, its versions and builds, and why a build failed");
  const auto name = std::make_shared<std::string>();
  command->add_option("IMAGE", *name, "name or ARN")->required();
  command->footer("Example:\n  dormouse image describe counter");
  command->callback(
      [name, &invocation] { invocation.action = [name, &invocation] { return describe(*name, invocation); }; });
}

}  // namespace dormouse::cli
