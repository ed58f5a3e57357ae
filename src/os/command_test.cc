// SPDX-License-Identifier: Apache-2.0

#include "os/command.h"

#include <chrono>
#include <csignal>
#include <string>

#include <gtest/gtest.h>

namespace dormouse::os {
namespace {

Command shell(const std::string& script) { return Command{{"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"}}; }

Context minute() { return Context::with_timeout(std::chrono::minutes(1)); }

TEST(RunCommand, DeliversBothStreamsInOrderAndTheExitCode) {
  std::string output;
  const auto end = run_command(shell("echo one; echo two >&2; exit 7"), [&](auto piece) { output += piece; }, minute());
  ASSERT_TRUE(end) << end.error().message();
  EXPECT_EQ(output, "one\ntwo\n");
  EXPECT_EQ(end->exit_code, 7);
}

TEST(RunCommand, PassesTheGivenEnvironmentOnly) {
  const auto output = run_for_output(Command{{"/usr/bin/env"}, {"A=b"}}, 1000, minute());
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(*output, "A=b\n");
}

TEST(RunCommand, KillsTheWholeGroupWhenCancelled) {
  const Cancellation cancellation;
  const Context context(cancellation, std::chrono::steady_clock::now() + std::chrono::minutes(1));
  pid_t grandchild = 0;
  // The grandchild holds the pipe, so the command's output would not end without it either.
  const auto observer = [&](std::string_view piece) {
    grandchild = static_cast<pid_t>(std::stoi(std::string(piece)));
    cancellation.cancel();
  };
  const auto end = run_command(shell("sleep 1000 & echo $!; wait"), observer, context);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(end.error().message(), "run /bin/sh: cancelled");
  ASSERT_GT(grandchild, 0);
  // Killed; it may still be waiting to be reaped by init.
  const auto state =
      run_for_output(shell("ps -o stat= -p " + std::to_string(grandchild) + " | grep -v Z || true"), 1000, minute());
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(*state, "");
}

TEST(RunCommand, EndsAtTheDeadline) {
  const auto end =
      run_command(shell("exec sleep 1000"), [](auto) {}, Context::with_timeout(std::chrono::milliseconds(50)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind(), ErrorKind::kDeadlineExceeded);
}

TEST(RunForOutput, NamesTheProgramItsEndAndItsLastLines) {
  const auto output = run_for_output(shell("echo a; echo b; echo; echo c; echo d; exit 3"), 1000, minute());
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message(), "/bin/sh: exit code 3: b; c; d");
}

TEST(RunForOutput, RefusesMoreThanTheLimit) {
  const auto output = run_for_output(shell("echo 123456789"), 9, minute());
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message(), "/bin/sh: output is longer than 9 bytes");
}

}  // namespace
}  // namespace dormouse::os
