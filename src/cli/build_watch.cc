// SPDX-License-Identifier: Apache-2.0

#include "cli/build_watch.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/record.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kInterval{300};

// Waits a moment, less when `context` ends earlier.
Status pause(const os::Context& context) {
  DM_TRY(context.check("wait for the build"), "");
  const auto time = std::min(kInterval, context.remaining());
  ::poll(nullptr, 0, static_cast<int>(time.count()));
  return {};
}

bool has_ended(const std::string& state) { return state == "SUCCESSFUL" || state == "FAILED"; }

}  // namespace

Result<std::string> BuildWatch::build_id(const os::Context& context) {
  DM_ASSIGN(const json::array builds,
            service.list(api_path({"microvm-images", image_arn, "versions", version, "builds"}), {}, context),
            "");
  if (builds.empty()) {
    return fail(ErrorKind::kNotFound,
                fmt::format("version {} of {} has no build yet", version, name_of_arn(image_arn)));
  }
  const json::value* newest = &builds.front();
  for (const json::value& build : builds) {
    if (number_of(build, "createdAt") > number_of(*newest, "createdAt")) {
      newest = &build;
    }
  }
  return text_of(*newest, "buildId");
}

Result<json::value> BuildWatch::until_ended(const os::Context& context) {
  Terminal& terminal = invocation.terminal;
  const auto started = std::chrono::steady_clock::now();
  std::string id;
  double offset = 0;
  while (true) {
    if (id.empty()) {
      auto found = build_id(context);
      if (!found && found.error().kind() != ErrorKind::kNotFound) {
        return fail(std::move(found).error());
      }
      id = found ? *found : "";
    }
    if (!id.empty()) {
      const std::string path = extension_path({"images", image_arn, "versions", version, "builds", id});
      DM_ASSIGN(json::value build, service.call("GET", path, {}, nullptr, context), "");
      // Asked for after the state: once the build has ended, what follows is all that was missing.
      bool more = show_log;
      while (more) {
        const Service::Query query = {{"offset", fmt::format("{:.0f}", offset)}};
        DM_ASSIGN(const json::value piece, service.call("GET", path + "/log", query, nullptr, context), "");
        const std::string text = text_of(piece, "text");
        terminal.stream(text);
        offset = number_of(piece, "nextOffset");
        more = !text.empty();
      }
      if (has_ended(text_of(build, "buildState"))) {
        terminal.clear_progress();
        return build;
      }
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
      const std::string phase = text_of(build, "phase");
      terminal.progress(fmt::format("building {}: {} ({})",
                                    name_of_arn(image_arn),
                                    phase.empty() ? "waiting" : phase,
                                    duration_text(elapsed.count())));
    }
    DM_TRY(pause(context), "");
  }
}

Status BuildWatch::print_log(bool follow, const os::Context& context) {
  DM_ASSIGN(const std::string id, build_id(context), "");
  const std::string path = extension_path({"images", image_arn, "versions", version, "builds", id, "log"});
  double offset = 0;
  while (true) {
    const Service::Query query = {{"offset", fmt::format("{:.0f}", offset)}};
    DM_ASSIGN(const json::value piece, service.call("GET", path, query, nullptr, context), "");
    const std::string text = text_of(piece, "text");
    invocation.terminal.raw(text);
    offset = number_of(piece, "nextOffset");
    const json::value* const complete = member_of(piece, "complete");
    if (complete != nullptr && complete->is_bool() && complete->as_bool() && text.empty()) {
      return {};
    }
    if (text.empty()) {
      if (!follow) {
        return {};
      }
      DM_TRY(pause(context), "");
    }
  }
}

Result<std::string> BuildWatch::read_log(const std::string& build_id, const os::Context& context) {
  const std::string path = extension_path({"images", image_arn, "versions", version, "builds", build_id, "log"});
  std::string log;
  double offset = 0;
  while (true) {
    const Service::Query query = {{"offset", fmt::format("{:.0f}", offset)}};
    DM_ASSIGN(const json::value piece, service.call("GET", path, query, nullptr, context), "");
    const std::string text = text_of(piece, "text");
    if (text.empty()) {
      return log;
    }
    log += text;
    offset = number_of(piece, "nextOffset");
  }
}

}  // namespace dormouse::cli
