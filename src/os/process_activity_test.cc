// SPDX-License-Identifier: Apache-2.0

#include "os/process_activity.h"

#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

#include "base/scope_exit.h"
#include "os/process.h"

namespace dormouse::os {
namespace {

using namespace std::chrono_literals;

Process spawn(const std::string& script) {
  SpawnRequest request;
  request.arguments = {"/bin/sh", "-c", script};
  return *Process::spawn(request);
}

TEST(ProcessActivityTest, ABusyProcessRanAndAWaitingOneDidNot) {
  Process busy = spawn("while :; do :; done");
  Process waiting = spawn("exec sleep 1000");
  const ScopeExit end([&] {
    for (Process* const process : {&busy, &waiting}) {
      process->kill(SIGKILL);
      (void)process->wait(Context::with_timeout(10s));
    }
  });
  const Context patience = Context::with_timeout(60s);
  while (activity_of(busy.pid())->ran < 100ms) {
    ASSERT_TRUE(patience.pause(10ms, "a busy process runs"));
  }
  EXPECT_LT(activity_of(waiting.pid())->ran, 50ms);
  EXPECT_FALSE(activity_of(waiting.pid())->waits_for_disk);
}

TEST(ProcessActivityTest, ThreadsAreDescribed) {
  EXPECT_NE(describe_threads(::getpid()).find(std::to_string(::getpid()) + " ("), std::string::npos);
}

TEST(ProcessActivityTest, AProcessThatIsGoneHasNone) {
  Process ended = spawn("exit 0");
  ASSERT_TRUE(ended.wait(Context::with_timeout(10s)));
  EXPECT_FALSE(activity_of(ended.pid()));
  EXPECT_EQ(describe_threads(ended.pid()), "");
}

}  // namespace
}  // namespace dormouse::os
