// SPDX-License-Identifier: Apache-2.0

#include "cli/logging_options.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace dormouse::cli {

namespace json = boost::json;

void add_logging_options(CLI::App& command, LoggingOptions& options) {
  CLI::Option* const group = command.add_option(
      "--log-group", options.group, "where output is kept (default /aws/lambda-microvms/ and the image's name)");
  CLI::Option* const stream = command.add_option("--log-stream", options.stream, "with --log-group: the stream in it");
  CLI::Option* const disabled = command.add_flag("--no-logs", options.disabled, "keep no output");
  disabled->excludes(group)->excludes(stream);
}

Status apply_logging(const LoggingOptions& options, json::object& request) {
  if (options.disabled) {
    request["logging"] = json::object{{"disabled", json::object()}};
    return {};
  }
  if (options.group.empty() && !options.stream.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("--log-stream '{}' needs the --log-group that it is in", options.stream));
  }
  if (!options.group.empty()) {
    json::object chosen{{"logGroup", options.group}};
    if (!options.stream.empty()) {
      chosen["logStream"] = options.stream;
    }
    request["logging"] = json::object{{"cloudWatch", std::move(chosen)}};
  }
  return {};
}

}  // namespace dormouse::cli
