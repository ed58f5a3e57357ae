// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/refuse.h"

namespace dormouse::agent {

// What the build left in application.json: the layers and what the OCI image configuration (OCI image specification,
// "config") says about starting the application.
struct ImageConfig {
  std::vector<std::string> layers;  // absolute directories, topmost first
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory = "/";
  std::string user;

  // Refused with code "no_image" when malformed, "no_command" when there is neither entrypoint nor command.
  static Answered<ImageConfig> parse(std::string_view json);

  std::vector<std::string> arguments() const;  // entrypoint, then command
};

}  // namespace dormouse::agent
