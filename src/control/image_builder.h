// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <string>

#include "control/records.h"
#include "control/world.h"
#include "host/host.h"
#include "os/context.h"

namespace dormouse::control {

// One build from the archive to the snapshot: fetches, has the host build, keeps the log. Blocks; changes no record.
// `phase` is called as the build goes on. What it leaves is the snapshot or nothing, and the log.
struct BuildJob {
  Image image;
  ImageVersion version;
  Build build;
};
tl::expected<host::BuildResult, host::BuildFailure> run_build(World& world,
                                                              const BuildJob& job,
                                                              const std::function<void(std::string_view)>& phase,
                                                              const os::Context& context);

}  // namespace dormouse::control
