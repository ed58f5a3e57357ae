// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "managed_base/managed_base.h"
#include "os/context.h"

namespace dormouse::managed_base {

struct RecipeRun {
  std::filesystem::path work;        // scratch directory that exists; removed by the caller
  std::filesystem::path output;      // directory that exists; gets the files of the base
  std::vector<std::string> sources;  // APT source lines; empty: mmdebstrap's own choice
  std::optional<std::filesystem::path> kernel;
};

// Runs the steps of the recipe one after the other, each in mount and PID namespaces of its own: whichever way a step ends,
// nothing stays mounted and nothing of it runs on. kUnavailable with the last lines of a step that failed.
Status run_recipe(const RecipeRun& run, ProgressObserver& observer, const os::Context& context);

// kUnavailable, naming the Debian packages to install, when a program that the recipe needs is missing here.
Status check_tools();

}  // namespace dormouse::managed_base
