// SPDX-License-Identifier: Apache-2.0

#include "faults/fault_point.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "os/process.h"

namespace dormouse::faults {
namespace {

namespace fs = std::filesystem;

class FaultPointTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/dm-faults-XXXXXX";
    directory_ = ::mkdtemp(name);
    watch(directory_);
  }
  static void TearDownTestSuite() { fs::remove_all(directory_); }

  static void arm(const std::string& step, const std::string& how) { std::ofstream(directory_ / step) << how; }
  static bool armed(const std::string& step) { return fs::exists(directory_ / step); }

  static fs::path directory_;
};
fs::path FaultPointTest::directory_;

TEST_F(FaultPointTest, NamesAreTheirOwn) {
  std::set<std::string_view> names;
  for (const KnownStep& step : kSteps) {
    EXPECT_TRUE(names.insert(step.name).second) << step.name;
  }
}

TEST_F(FaultPointTest, OnlyTheStepThatIsArmedFailsAndOnlyOnce) {
  EXPECT_TRUE(reach("suspend.frozen", {"microvm-1"}));
  arm("suspend.stopped", "fail");
  EXPECT_TRUE(reach("suspend.frozen", {"microvm-1"}));
  EXPECT_TRUE(armed("suspend.stopped"));
  const Status failed = reach("suspend.stopped", {"microvm-1"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "suspend.stopped was told to fail");
  EXPECT_FALSE(armed("suspend.stopped"));
  EXPECT_TRUE(reach("suspend.stopped", {"microvm-1"}));
}

TEST_F(FaultPointTest, OnlyTheSubjectThatIsMeantFails) {
  arm("launch.awake", "fail microvm-");
  EXPECT_TRUE(reach("launch.awake", {"warm-1"}));
  EXPECT_FALSE(reach("launch.awake", {"microvm-2"}));
}

TEST_F(FaultPointTest, TheVmmHasEndedWhenTheOperationGoesOn) {
  os::SpawnRequest request;
  request.arguments = {"/bin/cat"};
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  request.descriptors = {{ends[0], 0}};
  auto process = os::Process::spawn(request);
  ASSERT_TRUE(process);
  arm("suspend.frozen", "kill-vmm");
  EXPECT_TRUE(reach("suspend.frozen", {"microvm-1", process->pid()}));
  pollfd ended{process->descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 0), 1);
  EXPECT_TRUE(process->wait(os::Context::with_timeout(std::chrono::seconds(10))));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(FaultPointTest, TheDaemonEndsAsByAKill) {
  arm("suspend.frozen", "kill-daemon");
  EXPECT_EXIT((void)reach("suspend.frozen", {"microvm-1"}), testing::KilledBySignal(SIGKILL), "suspend.frozen");
}

TEST_F(FaultPointTest, WhatCannotBeDoneIsAnErrorAndNotNothing) {
  arm("suspend.frozen", "explode");
  const Status failed = reach("suspend.frozen", {"microvm-1"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "suspend.frozen cannot do 'explode'");
  arm("resume.begun", "kill-vmm");
  EXPECT_FALSE(reach("resume.begun", {"microvm-1"}));
}

}  // namespace
}  // namespace dormouse::faults
