// SPDX-License-Identifier: Apache-2.0

#include "managed_base/recipe.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "os/command.h"

namespace dormouse::managed_base {
namespace {

TEST(Recipe, HoldsEveryStepAndTheBuildScript) {
  EXPECT_NE(build_image_script().find("application.json"), std::string_view::npos);
  for (const RecipeStep& step : recipe_steps()) {
    bool found = false;
    for (const RecipeFile& file : recipe_files()) {
      found = found || (file.name == step.script && !file.content.empty());
    }
    EXPECT_TRUE(found) << step.script;
  }
}

TEST(Recipe, IsShellWithoutSyntaxErrors) {
  int scripts = 0;
  for (const RecipeFile& file : recipe_files()) {
    if (file.name.substr(file.name.size() - 3) != ".sh") {
      continue;
    }
    ++scripts;
    const auto checked = os::run_for_output(os::Command{{"/bin/sh", "-n", "-c", std::string(file.content)}, {}},
                                            65536,
                                            os::Context::with_timeout(std::chrono::minutes(1)));
    EXPECT_TRUE(checked) << file.name << ": " << checked.error().message();
  }
  EXPECT_EQ(scripts, 6);
}

TEST(Recipe, NamesNoMirror) {
  for (const RecipeFile& file : recipe_files()) {
    EXPECT_EQ(file.content.find("http://"), std::string_view::npos) << file.name;
    EXPECT_EQ(file.content.find("https://"), std::string_view::npos) << file.name;
  }
}

}  // namespace
}  // namespace dormouse::managed_base
