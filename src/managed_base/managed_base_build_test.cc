// SPDX-License-Identifier: Apache-2.0
//
// Makes a base for real: from Debian's packages, in a cache directory of its own.

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "managed_base/managed_base.h"
#include "managed_base/recipe_runner.h"
#include "os/command.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

class Printer final : public ProgressObserver {
 public:
  void step(std::string_view sentence, int number, int count) override {
    ++steps;
    const auto now = std::chrono::steady_clock::now();
    std::cout << "[" << number << "/" << count << "] " << sentence << " (after "
              << std::chrono::duration_cast<std::chrono::milliseconds>(now - start_).count() << " ms)\n";
    if (on_step) {
      on_step(number);
    }
  }
  void log(std::string_view) override {}

  int steps = 0;
  std::function<void(int)> on_step;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

os::Context long_enough() { return os::Context::with_timeout(std::chrono::minutes(10)); }

class ManagedBaseBuild : public testing::Test {
 protected:
  void SetUp() override {
    if (const Status tools = check_tools(); !tools) {
      GTEST_SKIP() << tools.error().message();
    }
    // Not in /tmp, which may be memory.
    std::string name = "/var/tmp/managed-base-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    cache_ = name;
  }
  void TearDown() override {
    if (!cache_.empty()) {
      fs::remove_all(cache_);
    }
  }

  fs::path cache_;
};

std::string mounts() {
  std::ifstream file("/proc/self/mounts");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// One test for what takes a minute each time.
TEST_F(ManagedBaseBuild, IsInterruptedWithoutTraceThenMadeThenFound) {
  ManagedBaseStore store(cache_);

  // Cancelled in the third step.
  const os::Cancellation cancellation;
  Printer interrupted;
  interrupted.on_step = [&](int number) {
    if (number == 3) {
      cancellation.cancel();
    }
  };
  const auto cancelled = store.ensure(
      {}, interrupted, os::Context(cancellation, std::chrono::steady_clock::now() + std::chrono::minutes(10)));
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().kind(), ErrorKind::kCancelled) << cancelled.error().message();
  EXPECT_TRUE(fs::is_empty(cache_ / "bases"));
  EXPECT_EQ(mounts().find(cache_.string()), std::string::npos);

  // What a killed process would have left is swept.
  fs::create_directories(cache_ / "bases" / "unfinished-0123456789abcdef" / "base");
  Printer printer;
  auto made = store.ensure({}, printer, long_enough());
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(printer.steps, 4);
  for (const fs::path& path :
       {made->kernel, made->root, made->builder_root, made->containers, made->modules / "order"}) {
    EXPECT_TRUE(fs::is_regular_file(path)) << path;
    EXPECT_GT(fs::file_size(path), 0U) << path;
  }
  EXPECT_TRUE(made->versions.contains("buildah"));
  EXPECT_TRUE(made->versions.contains("python3"));
  EXPECT_EQ(std::distance(fs::directory_iterator(cache_ / "bases"), fs::directory_iterator()), 1);
  EXPECT_EQ(mounts().find(cache_.string()), std::string::npos);

  // The file systems are whole.
  for (const fs::path& image : {made->root, made->builder_root, made->containers}) {
    const auto checked = os::run_for_output(
        os::Command{{"/sbin/e2fsck", "-f", "-n", image.string()}, {"PATH=/usr/sbin:/usr/bin"}}, 65536, long_enough());
    EXPECT_TRUE(checked) << checked.error().message();
  }

  Printer silent;
  auto again = store.ensure({}, silent, long_enough());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->key, made->key);
  EXPECT_EQ(silent.steps, 0);
  const auto newest = store.newest({});
  ASSERT_TRUE(newest) << newest.error().message();
  ASSERT_TRUE(*newest);
  EXPECT_EQ((*newest)->key, made->key);

  const ManagedBaseStore::Named nothing = [](const fs::path&) {
    return std::map<std::string, std::vector<fs::path>>();
  };
  const Status refused = store.remove(made->key, nothing, long_enough());
  ASSERT_FALSE(refused) << "it is held by who asked for it";
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  const std::string key = made->key;
  made = again = fail(ErrorKind::kNotFound, "let go");
  const Status removed = store.remove(key, nothing, long_enough());
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_TRUE(fs::is_empty(cache_ / "bases"));
}

TEST_F(ManagedBaseBuild, ReportsAMirrorThatDoesNotAnswerWithTheStepAndItsLastLines) {
  ManagedBaseStore store(cache_);
  Printer printer;
  BuildOptions options;
  options.mirror = "http://127.0.0.1:9/debian";
  const auto made = store.ensure(options, printer, long_enough());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(made.error().message().rfind("managed base: install the smallest Debian 12: exit code ", 0), 0U)
      << made.error().message();
  EXPECT_TRUE(fs::is_empty(cache_ / "bases"));
}

}  // namespace
}  // namespace dormouse::managed_base
