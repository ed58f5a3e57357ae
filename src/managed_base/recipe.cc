// SPDX-License-Identifier: Apache-2.0

#include "managed_base/recipe.h"

#include <array>

namespace dormouse::managed_base {

std::string_view build_image_script() {
  for (const RecipeFile& file : recipe_files()) {
    if (file.name == "build-image.sh") {
      return file.content;
    }
  }
  return {};
}

std::span<const RecipeStep> recipe_steps() {
  static constexpr std::array kSteps{
      RecipeStep{"1-debian.sh", "install the smallest Debian 12"},
      RecipeStep{"2-kernel.sh", "fetch the kernel and its modules"},
      RecipeStep{"3-root.sh", "make the root file systems of guests"},
      RecipeStep{"4-containers.sh", "make the container base images"},
  };
  return kSteps;
}

}  // namespace dormouse::managed_base
