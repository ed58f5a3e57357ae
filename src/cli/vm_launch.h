// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/service.h"
#include "os/context.h"

namespace dormouse::cli {

// What launches are told, whether from an image or from what another MicroVM is.
struct LaunchOptions {
  std::string payload;  // @FILE: the file's content
  int idle_seconds = 0;
  int suspended_seconds = 3600;
  bool no_auto_resume = false;
  int maximum_seconds = 0;
  bool no_wait = false;
};

// Options of `command`, which outlive the parsing of the command line.
void add_launch_options(CLI::App& command, LaunchOptions& options);

// The members of a request that they stand for.
Result<boost::json::object> launch_members(const LaunchOptions& options);

// `failure` of a command that has launched `microvms` all the same: says which those are and how to end them. None: as it is.
Error with_launched(const Error& failure, const boost::json::array& microvms);

// Waits, if that is wanted, until all of `microvms` are RUNNING, and brings their members up to date. A failure names those
// that run on.
Status await_launches(const LaunchOptions& options,
                      boost::json::array& microvms,
                      Invocation& invocation,
                      Service& service,
                      const os::Context& context);

// A line each: id and endpoint.
void show_launches(const boost::json::array& microvms, Terminal& terminal);

}  // namespace dormouse::cli
