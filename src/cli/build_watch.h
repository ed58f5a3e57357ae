// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/command.h"

namespace dormouse::cli {

// Follows the build of one image version: shows its log as it grows and its phase, until it has ended.
struct BuildWatch {
  Invocation& invocation;
  Service& service;
  std::string image_arn;
  std::string version;
  bool show_log = true;

  // The description of the build that has ended, successfully or not. `context` is for the whole wait.
  Result<boost::json::value> until_ended(const os::Context& context);
  // Its log to standard output. With `follow` until the build has ended.
  Status print_log(bool follow, const os::Context& context);
  Result<std::string> read_log(const std::string& build_id, const os::Context& context);
  // The last build of the version; kNotFound when none has begun.
  Result<std::string> build_id(const os::Context& context);
};

}  // namespace dormouse::cli
