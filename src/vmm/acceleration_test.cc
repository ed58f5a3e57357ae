// SPDX-License-Identifier: Apache-2.0

#include "vmm/acceleration.h"

#include <sys/wait.h>
#include <sysexits.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace dormouse::vmm {
namespace {

os::Context patience() { return os::Context::with_timeout(std::chrono::seconds(30)); }

// A device that anybody may open, and a launcher of which only what its probe prints and ends with is played.
class ChooseAccelerationTest : public ::testing::Test {
 protected:
  ChooseAccelerationTest() {
    std::string pattern = ::testing::TempDir() + "dormouse-acceleration-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    device_ = directory_ / "kvm";
    launcher_ = directory_ / "launcher";
    std::ofstream(device_) << "";
    std::filesystem::permissions(device_, static_cast<std::filesystem::perms>(0666));
    std::filesystem::permissions(directory_, static_cast<std::filesystem::perms>(0755));
  }
  ~ChooseAccelerationTest() override { std::filesystem::remove_all(directory_); }
  ChooseAccelerationTest(const ChooseAccelerationTest&) = delete;
  ChooseAccelerationTest& operator=(const ChooseAccelerationTest&) = delete;

  // The verdict when the launcher is a script that leaves `asked` with its arguments and then does `action`.
  Result<AccelerationVerdict> choose(const std::string& wanted,
                                     const std::string& action,
                                     std::chrono::milliseconds deadline = std::chrono::seconds(30)) {
    std::ofstream(launcher_) << "#!/bin/sh\necho \"$@\" >" << (directory_ / "asked") << "\n" << action << "\n";
    std::filesystem::permissions(launcher_, static_cast<std::filesystem::perms>(0755));
    return choose_acceleration(wanted, launcher_, os::Context::with_timeout(deadline), device_);
  }

  bool was_asked() const { return std::filesystem::exists(directory_ / "asked"); }

  // That "auto" asks the launcher about the device and comes to this.
  void expect(const std::string& action, Acceleration acceleration, const std::string& reason) {
    const auto verdict = choose("auto", action);
    ASSERT_TRUE(verdict) << verdict.error().message();
    std::string asked;
    std::getline(std::ifstream(directory_ / "asked") >> std::ws, asked);
    EXPECT_EQ(asked, "--probe-kvm " + device_.string());
    EXPECT_EQ(verdict->acceleration, acceleration);
    EXPECT_EQ(verdict->reason, reason);
  }

  std::string no_loop(const std::string& why) const { return device_.string() + " runs no guest loop: " + why; }

  std::filesystem::path directory_;
  std::filesystem::path device_;
  std::filesystem::path launcher_;
};

TEST_F(ChooseAccelerationTest, WhatIsAskedForIsTakenWithoutAProbe) {
  std::filesystem::remove(device_);
  for (const auto& [wanted, acceleration] :
       {std::pair{"kvm", Acceleration::kKvm}, std::pair{"tcg", Acceleration::kTcg}}) {
    const auto verdict = choose(wanted, "echo 900");
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->acceleration, acceleration);
    EXPECT_EQ(verdict->reason, "asked for by --accel " + std::string(wanted));
    EXPECT_FALSE(was_asked());
  }
}

TEST_F(ChooseAccelerationTest, AnythingElseIsRefused) {
  const auto verdict = choose("hvf", "echo 900");
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(verdict.error().message(), "--accel hvf: must be auto, kvm or tcg");
  EXPECT_FALSE(was_asked());
}

TEST_F(ChooseAccelerationTest, WithoutADeviceGuestsAreEmulatedAndNothingIsProbed) {
  std::filesystem::remove(device_);
  const auto verdict = choose("auto", "echo 900");
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ(verdict->acceleration, Acceleration::kTcg);
  EXPECT_EQ(verdict->reason, "there is no " + device_.string());
  EXPECT_FALSE(was_asked());
}

TEST_F(ChooseAccelerationTest, QuickLoopIsKvmUpToTheLimit) {
  expect("echo 900", Acceleration::kKvm, device_.string() + " ran a guest loop in 900 us");
  expect("echo 100000", Acceleration::kKvm, device_.string() + " ran a guest loop in 100000 us");
}

TEST_F(ChooseAccelerationTest, SlowLoopIsNoUse) {
  expect("echo 100001",
         Acceleration::kTcg,
         device_.string() + " runs a guest loop in 100001 us, which a working one does in 100000 at most");
}

TEST_F(ChooseAccelerationTest, ProbeThatSaysNothingUsefulProvesNothing) {
  for (const char* const action : {"true", "echo", "echo soon"}) {
    expect(action, Acceleration::kTcg, no_loop("it ended with exit code 0"));
  }
}

TEST_F(ChooseAccelerationTest, ProbeThatFailsIsNotBelievedWhateverItPrinted) {
  expect("echo 900; exit 1", Acceleration::kTcg, no_loop("it ended with exit code 1"));
  expect("echo 900; kill -9 $$", Acceleration::kTcg, no_loop("it ended with signal 9 (Killed)"));
}

TEST_F(ChooseAccelerationTest, DeviceThatOnlyRootMayOpenIsNoUseAndTheRemedyIsNamed) {
  expect("exit " + std::to_string(EX_NOPERM),
         Acceleration::kTcg,
         no_loop("a VMM, which does not run as root, may not open it; chgrp kvm " + device_.string() +
                 " && chmod 660 " + device_.string() + " lets it"));
}

TEST_F(ChooseAccelerationTest, ProbeThatNeverEndsIsEndedAtTheDeadline) {
  const auto verdict = choose("auto", "exec sleep 1000", std::chrono::milliseconds(50));
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ(verdict->acceleration, Acceleration::kTcg);
  EXPECT_EQ(verdict->reason, no_loop("it did not end within 2000 ms"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a probe is left";
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(ChooseAccelerationTest, LauncherThatIsNotThereProvesNothing) {
  const auto verdict = choose_acceleration("auto", directory_ / "none", patience(), device_);
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ(verdict->acceleration, Acceleration::kTcg);
  EXPECT_EQ(verdict->reason.rfind(no_loop(""), 0), 0U) << verdict->reason;
}

}  // namespace
}  // namespace dormouse::vmm
