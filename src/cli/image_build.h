// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <string>

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "os/context.h"

namespace dormouse::cli {

// How a command that has begun a build goes on.
struct BuildOptions {
  bool no_wait = false;
  bool quiet = false;
  int timeout_seconds = 3600;
};

// Options of `command`, which outlive the parsing of the command line.
void add_build_options(CLI::App& command, BuildOptions& options);

// Follows the build of the version that `accepted`, the answer of CreateMicrovmImage or UpdateMicrovmImage, names, and
// answers with it; fails with its reason when it fails. With no_wait it answers with `accepted`.
Status finish_build(const BuildOptions& options,
                    const boost::json::value& accepted,
                    std::chrono::steady_clock::time_point started,
                    Invocation& invocation,
                    Service& service,
                    const os::Context& context);

}  // namespace dormouse::cli
