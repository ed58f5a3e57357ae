// SPDX-License-Identifier: Apache-2.0

#include "managed_base/recipe_runner.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "managed_base/recipe.h"
#include "os/command.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kStepTimeout{20};
constexpr std::size_t kTailBytes = 4096;  // of a step's output, kept for the error

// Hands whole lines to the observer and keeps the end of the output.
class LineSplitter {
 public:
  explicit LineSplitter(ProgressObserver& observer) : observer_(observer) {}

  void feed(std::string_view piece) {
    tail_ += piece;
    if (tail_.size() > 2 * kTailBytes) {
      tail_.erase(0, tail_.size() - kTailBytes);
    }
    for (const char character : piece) {
      if (character == '\n' || character == '\r' || line_.size() == kTailBytes) {
        flush();
      } else {
        line_ += character;
      }
    }
  }
  void flush() {
    if (!line_.empty()) {
      observer_.log(line_);
      line_.clear();
    }
  }
  const std::string& tail() const { return tail_; }

 private:
  ProgressObserver& observer_;
  std::string line_;
  std::string tail_;
};

std::vector<std::string> environment_of(const RecipeRun& run) {
  std::vector<std::string> environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                       "HOME=" + run.work.string(),
                                       "WORK=" + run.work.string(),
                                       "OUT=" + run.output.string(),
                                       "RECIPE=" + (run.work / "recipe").string(),
                                       "SOURCES=" + (run.work / "sources").string(),
                                       "KERNEL=" + run.kernel.value_or("").string()};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      environment.push_back(std::string(name) + "=" + value);
    }
  }
  return environment;
}

Status write_recipe(const RecipeRun& run) {
  DM_TRY(os::make_directories(run.work / "recipe", 0755), "");
  for (const RecipeFile& file : recipe_files()) {
    DM_TRY(os::publish_file(run.work / "recipe" / file.name, file.content, 0644, os::Durability::kVolatile), "");
  }
  std::string sources;
  for (const std::string& line : run.sources) {
    sources += line + "\n";
  }
  return os::publish_file(run.work / "sources", sources, 0644, os::Durability::kVolatile);
}

Status run_step(const RecipeRun& run, const RecipeStep& step, ProgressObserver& observer, const os::Context& context) {
  const os::Command command{{"/usr/bin/unshare",
                             "--mount",
                             "--propagation",
                             "private",
                             "--pid",
                             "--fork",
                             "--kill-child",
                             "--mount-proc",
                             "/bin/sh",
                             "-c",
                             ". \"$RECIPE/common.sh\"; . \"$RECIPE/" + std::string(step.script) + "\""},
                            environment_of(run)};
  LineSplitter splitter(observer);
  const auto feed = [&](std::string_view piece) { splitter.feed(piece); };
  DM_ASSIGN(const os::ProcessEnd end, os::run_command(command, feed, context.within(kStepTimeout)), step.sentence);
  splitter.flush();
  if (end.exit_code != 0) {
    return fail(ErrorKind::kUnavailable,
                std::string(step.sentence) + ": " + end.describe() + ": " + os::last_lines(splitter.tail(), 4));
  }
  return {};
}

}  // namespace

Status check_tools() {
  struct Tool {
    const char* program;
    const char* package;
  };
  static constexpr std::array kTools{Tool{"/usr/bin/apt-get", "apt"},
                                     Tool{"/usr/bin/buildah", "buildah"},
                                     Tool{"/usr/bin/mmdebstrap", "mmdebstrap"},
                                     Tool{"/usr/bin/unshare", "util-linux"},
                                     Tool{"/sbin/depmod", "kmod"},
                                     Tool{"/sbin/mke2fs", "e2fsprogs"},
                                     Tool{"/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"}};
  std::string missing;
  for (const Tool& tool : kTools) {
    if (::access(tool.program, R_OK) != 0) {
      missing += std::string(" ") + tool.package;
    }
  }
  if (!missing.empty()) {
    return fail(ErrorKind::kUnavailable,
                "programs are missing; install them with: apt-get install --no-install-recommends" + missing);
  }
  if (::geteuid() != 0) {
    return fail(ErrorKind::kPermissionDenied, "making a managed base needs root");
  }
  return {};
}

Status run_recipe(const RecipeRun& run, ProgressObserver& observer, const os::Context& context) {
  DM_TRY(check_tools(), "");
  DM_TRY(write_recipe(run), "write the recipe");
  int number = 0;
  for (const RecipeStep& step : recipe_steps()) {
    observer.step(step.sentence, ++number, static_cast<int>(recipe_steps().size()));
    DM_TRY(run_step(run, step, observer, context), "");
  }
  return {};
}

}  // namespace dormouse::managed_base
