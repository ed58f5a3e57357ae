// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"

namespace CLI {
class App;
}

namespace dormouse::cli {

// Where output goes, as a command line says it.
struct LoggingOptions {
  std::string group;
  std::string stream;
  bool disabled = false;
};

// Options of `command`, which outlive the parsing of the command line.
void add_logging_options(CLI::App& command, LoggingOptions& options);

// Sets the member `logging` if something was said about it. kInvalidArgument: a stream without a group.
Status apply_logging(const LoggingOptions& options, boost::json::object& request);

}  // namespace dormouse::cli
