// SPDX-License-Identifier: Apache-2.0

#include "cli/vm_launch.h"

#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/record.h"
#include "cli/vm_wait.h"
#include "os/file.h"

namespace dormouse::cli {

namespace json = boost::json;

namespace {

// Of IdlePolicy's maxIdleDurationSeconds.
constexpr int kIdleSecondsMin = 60;
constexpr int kIdleSecondsMax = 28'800;

}  // namespace

void add_launch_options(CLI::App& command, LaunchOptions& options) {
  command.add_option("--payload", options.payload, "for the application's /run hook; @FILE: the content of a file");
  CLI::Option* const idle =
      command.add_option("--idle", options.idle_seconds, "suspend after so many seconds without traffic")
          ->check(CLI::Range(kIdleSecondsMin, kIdleSecondsMax));
  command.add_option("--suspended", options.suspended_seconds, "with --idle: terminate after so many seconds of sleep")
      ->capture_default_str()
      ->needs(idle);
  command.add_flag("--no-auto-resume", options.no_auto_resume, "with --idle: traffic wakes nothing")->needs(idle);
  command.add_option("--max-duration", options.maximum_seconds, "terminate after so many seconds (28800 at most)");
  command.add_flag("--no-wait", options.no_wait, "return once the service has accepted");
}

Result<json::object> launch_members(const LaunchOptions& options) {
  json::object members;
  if (options.payload.starts_with('@')) {
    DM_ASSIGN(members["runHookPayload"], os::read_file(options.payload.substr(1), 1U << 20U), "--payload");
  } else if (!options.payload.empty()) {
    members["runHookPayload"] = options.payload;
  }
  if (options.idle_seconds > 0) {
    members["idlePolicy"] = json::object{{"maxIdleDurationSeconds", options.idle_seconds},
                                         {"suspendedDurationSeconds", options.suspended_seconds},
                                         {"autoResumeEnabled", !options.no_auto_resume}};
  }
  if (options.maximum_seconds > 0) {
    members["maximumDurationInSeconds"] = options.maximum_seconds;
  }
  return members;
}

Error with_launched(const Error& failure, const json::array& microvms) {
  std::string ids;
  for (const json::value& microvm : microvms) {
    ids += " " + text_of(microvm, "microvmId");
  }
  return ids.empty() ? failure
                     : Error(failure.kind(),
                             fmt::format("{}; what was launched runs on, and ends by: dormouse vm terminate{}",
                                         failure.message(),
                                         ids));
}

Status await_launches(const LaunchOptions& options,
                      json::array& microvms,
                      Invocation& invocation,
                      Service& service,
                      const os::Context& context) {
  if (options.no_wait) {
    return {};
  }
  for (json::value& microvm : microvms) {
    const auto running = wait_for_state(invocation, service, text_of(microvm, "microvmId"), "RUNNING", context);
    if (!running) {
      json::array left = microvms;
      if (running.error().kind() == ErrorKind::kConflict) {  // it is terminated already
        left.erase(left.begin() + (&microvm - microvms.data()));
      }
      return fail(with_launched(running.error(), left));
    }
    for (const auto& [member, value] : running->as_object()) {
      microvm.as_object()[member] = value;
    }
  }
  return {};
}

void show_launches(const json::array& microvms, Terminal& terminal) {
  for (const json::value& microvm : microvms) {
    terminal.answer(fmt::format("{}  https://{}", text_of(microvm, "microvmId"), text_of(microvm, "endpoint")));
  }
}

}  // namespace dormouse::cli
