// SPDX-License-Identifier: Apache-2.0
//
// The recipe is shell scripts and configuration files under recipe/, compiled into the program. common.sh says how a step
// is run; build-image.sh is not a step: it runs Dockerfiles inside builder guests.

#pragma once

#include <span>
#include <string_view>

namespace dormouse::managed_base {

struct RecipeFile {
  std::string_view name;
  std::string_view content;
};

// Every file of the recipe, build-image.sh among them, sorted by name.
std::span<const RecipeFile> recipe_files();

// The script that a builder guest's /bin/sh reads from standard input to run a Dockerfile.
std::string_view build_image_script();

// What build_image_script() exits with (see there).
enum class BuildImageExit : int {
  kDone = 0,
  kDockerfileFailed = 10,
  kDiskFull = 11,
  kInternal = 12,
  kBaseUnavailable = 13,  // the image of a FROM cannot be pulled
  kMemoryRanOut = 14,     // of the builder: its kernel killed a process
};

// One step of making a base.
struct RecipeStep {
  std::string_view script;    // name of the recipe file
  std::string_view sentence;  // for users: what it does
};
std::span<const RecipeStep> recipe_steps();

}  // namespace dormouse::managed_base
