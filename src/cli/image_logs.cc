// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/build_watch.h"
#include "cli/command.h"
#include "cli/image_versions.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string image;
  std::string version;
  bool follow = false;
};

Status logs(const Options& options, Invocation& invocation) {
  const os::Context context =
      os::Context::with_timeout(options.follow ? std::chrono::hours(24) : std::chrono::hours(1));
  DM_ASSIGN(Service service, invocation.connect(), "");
  DM_ASSIGN(const std::string arn, service.image_arn(options.image, context), "");
  DM_ASSIGN(const std::string version, version_or_newest(service, arn, options.version, context), "");
  BuildWatch watch{invocation, service, arn, version};
  if (!invocation.options.json) {
    return watch.print_log(options.follow, context);
  }
  DM_ASSIGN(const std::string id, watch.build_id(context), "");
  if (options.follow) {
    watch.show_log = false;
    DM_TRY(watch.until_ended(context), "");
  }
  DM_ASSIGN(const std::string text, watch.read_log(id, context), "");
  const json::object record{{"imageArn", arn}, {"imageVersion", version}, {"buildId", id}, {"log", text}};
  invocation.terminal.answer(json::serialize(record));
  return {};
}

}  // namespace

void add_image_logs(CLI::App& image, Invocation& invocation) {
  CLI::App* const command = image.add_subcommand("logs", "what the build of an image printed");
  const auto options = std::make_shared<Options>();
  command->add_option("IMAGE", options->image, "name or ARN")->required();
  command->add_option("--version", options->version, "image version; the newest if left out");
  command->add_flag("-f,--follow", options->follow, "go on until the build has ended");
  command->footer("Example:\n  dormouse image logs -f counter");
  command->callback(
      [options, &invocation] { invocation.action = [options, &invocation] { return logs(*options, invocation); }; });
}

}  // namespace dormouse::cli
