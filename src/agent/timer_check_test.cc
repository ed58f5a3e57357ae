// SPDX-License-Identifier: Apache-2.0

#include "agent/timer_check.h"

#include <string>

#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

// The part of /proc/timer_list that counts, of a guest with two processors.
std::string timer_list(const std::string& device, const std::string& multiplier) {
  std::string text =
      "Timer List Version: v0.9\nHRTIMER_MAX_CLOCK_BASES: 8\nnow at 894199134250 nsecs\n\n"
      "Tick Device: mode:     0\nBroadcast device\nClock Event Device: <NULL>\ntick_broadcast_mask: 3\n\n";
  for (const char* processor : {"0", "1"}) {
    text += "Tick Device: mode:     0\nPer CPU device: " + std::string(processor) + "\nClock Event Device: " + device +
            "\n max_delta_ns:   429513459651663\n min_delta_ns:   3000117\n mult:           " + multiplier +
            "\n shift:          32\n mode:           1\n next_event:     9223372036854775807 nsecs\n\n";
  }
  return text;
}

TEST(TimerCheckTest, TimersOfTheRateThatQemuHasAreSound) {
  EXPECT_EQ(judge_timers(timer_list("lapic", "268435456")), Timers::kSound);
  EXPECT_EQ(judge_timers(timer_list("lapic", "290000000")), Timers::kSound);
}

// What a builder guest showed that had been waiting in buildah's COMMIT for ten minutes: "APIC frequency too slow, disabling
// apic timer", and not one local timer interrupt.
TEST(TimerCheckTest, AKernelThatDidWithoutItsTimerIsFound) {
  EXPECT_EQ(judge_timers(timer_list("lapic", "21474")), Timers::kStopped);
}

TEST(TimerCheckTest, AProcessorWithoutATimerIsFound) {
  EXPECT_EQ(judge_timers(timer_list("<NULL>", "0")), Timers::kStopped);
}

TEST(TimerCheckTest, TimersThatFireATenthTooLateAreFound) {
  EXPECT_EQ(judge_timers(timer_list("lapic", "300000000")), Timers::kWrong);
}

TEST(TimerCheckTest, TimersThatFireEarlyAreSetAgainAndSoundUnlessThatIsAllTheyDo) {
  EXPECT_EQ(judge_timers(timer_list("lapic", "134217728")), Timers::kSound);
  EXPECT_EQ(judge_timers(timer_list("lapic", "2684354")), Timers::kWrong);
}

TEST(TimerCheckTest, OtherTimersAreTakenAsTheyAre) {
  EXPECT_EQ(judge_timers(timer_list("lapic-deadline", "1")), Timers::kSound);
  EXPECT_EQ(judge_timers(""), Timers::kSound);
}

}  // namespace
}  // namespace dormouse::agent
