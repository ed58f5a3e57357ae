// SPDX-License-Identifier: Apache-2.0

#include "cli/image_build.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/build_watch.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

void show(const Invocation& invocation, const json::value& build, double seconds) {
  invocation.answer(build, [&] {
    Terminal& terminal = invocation.terminal;
    terminal.answer(fmt::format("{} version {} is ready after {}",
                                text_of(build, "imageArn"),
                                text_of(build, "imageVersion"),
                                duration_text(seconds)));
    terminal.answer(fmt::format("snapshot: memory {}, disk {}",
                                size_text(number_of(build, "memorySnapshotSizeInBytes")),
                                size_text(number_of(build, "diskSnapshotSizeInBytes"))));
  });
}

}  // namespace

void add_build_options(CLI::App& command, BuildOptions& options) {
  command.add_flag("--no-wait", options.no_wait, "return once the build has begun");
  command.add_flag("--quiet", options.quiet, "do not show the build's log");
  command.add_option("--timeout", options.timeout_seconds, "seconds to wait")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
}

Status finish_build(const BuildOptions& options,
                    const json::value& accepted,
                    std::chrono::steady_clock::time_point started,
                    Invocation& invocation,
                    Service& service,
                    const os::Context& context) {
  const std::string arn = text_of(accepted, "imageArn");
  const std::string version = text_of(accepted, "imageVersion");
  const std::string name = name_of_arn(arn);
  if (options.no_wait) {
    invocation.answer(accepted, [&] {
      invocation.terminal.answer(
          fmt::format("{} version {} is being built; follow it with: dormouse image logs -f {}", arn, version, name));
    });
    return {};
  }
  BuildWatch watch{invocation, service, arn, version, !options.quiet};
  DM_ASSIGN(const json::value build, watch.until_ended(context), "");
  if (text_of(build, "buildState") != "SUCCESSFUL") {
    return fail(ErrorKind::kInvalidArgument, fmt::format("build {}: {}", name, text_of(build, "stateReason")));
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  show(invocation, build, elapsed.count());
  return {};
}

}  // namespace dormouse::cli
