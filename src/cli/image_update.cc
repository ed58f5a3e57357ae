// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/image_build.h"
#include "cli/image_content.h"
#include "cli/image_versions.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  bool reset = false;
  ImageContent content;
  BuildOptions build;
};

// UpdateMicrovmImage replaces all of these: what is to stay must be sent again.
constexpr const char* kContentMembers[] = {"baseImageArn",
                                           "baseImageVersion",
                                           "buildRoleArn",
                                           "codeArtifact",
                                           "description",
                                           "logging",
                                           "egressNetworkConnectors",
                                           "cpuConfigurations",
                                           "resources",
                                           "additionalOsCapabilities",
                                           "hooks",
                                           "environmentVariables"};
constexpr const char* kDemandedMembers[] = {"baseImageArn", "buildRoleArn", "codeArtifact"};

json::object members_kept(const json::value& version, bool reset) {
  json::object kept;
  const auto keep = [&](const char* name) {
    if (const json::value* value = member_of(version, name)) {
      kept[name] = *value;
    }
  };
  if (reset) {
    std::ranges::for_each(kDemandedMembers, keep);
  } else {
    std::ranges::for_each(kContentMembers, keep);
  }
  return kept;
}

Status update(const Options& options, Invocation& invocation) {
  const auto started = std::chrono::steady_clock::now();
  const os::Context context = os::Context::with_timeout(std::chrono::seconds(options.build.timeout_seconds));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const json::value newest, newest_version(service, arn, context), "");
  json::object request = members_kept(newest, options.reset);
  DM_TRY(apply_content(options.content, request, service, context), "");
  if (!options.content.path.empty()) {
    DM_ASSIGN(
        const std::string uri, upload_content(options.content, name_of_arn(arn), invocation, service, context), "");
    request["codeArtifact"] = json::object{{"uri", uri}};
  }
  const json::value body(std::move(request));
  DM_ASSIGN(const json::value accepted, service.call("PUT", api_path({"microvm-images", arn}), {}, &body, context), "");
  return finish_build(options.build, accepted, started, invocation, service, context);
}

}  // namespace

void add_image_update(CLI::App& image, Invocation& invocation) {
  CLI::App* const command =
      image.add_subcommand("update", "build a new version of an image; the old one serves until it is ready");
  const auto options = std::make_shared<Options>();
  command->add_option("IMAGE", options->image, "name or ARN")->required();
  command->add_option(
      "PATH",
      options->content.path,
      "build context: a directory with a Dockerfile, or a zip of one; the newest version's if left out");
  add_content_options(*command, options->content);
  command->add_flag("--reset", options->reset, "what is not named: the defaults, not as in the newest version");
  add_build_options(*command, options->build);
  command->footer(
      "An option that is given replaces what the newest version has; what is not given stays.\n\n"
      "Examples:\n"
      "  dormouse image update counter examples/counter\n"
      "  dormouse image update counter --memory 1024");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return update(*options, invocation); }; });
}

}  // namespace dormouse::cli
