// SPDX-License-Identifier: Apache-2.0

#include "control/policies.h"

#include <chrono>
#include <tuple>

#include <gtest/gtest.h>

#include "control/lifecycle.h"
#include "control/sizes.h"

namespace dormouse::control {
namespace {

using std::chrono::seconds;

const WallTime kStart{std::chrono::hours(1000)};

Microvm microvm(MicrovmState state) {
  Microvm record;
  record.state = state;
  record.started_at = kStart;
  record.maximum_duration_seconds = 1000;
  record.idle_policy = IdlePolicy{60, 300, true};
  if (state == MicrovmState::kSuspended) {
    record.suspended_at = kStart + seconds(100);
  }
  return record;
}

TEST(PoliciesTest, IdleIsDueAtItsSecondAndNotBefore) {
  const Microvm record = microvm(MicrovmState::kRunning);
  const Due before = due(record, kStart, seconds(59));
  EXPECT_EQ(before.action, DueAction::kNothing);
  EXPECT_EQ(before.look_again_in, seconds(1));
  EXPECT_EQ(due(record, kStart, seconds(60)).action, DueAction::kSuspendIdle);
}

TEST(PoliciesTest, MemoryMayComeBackFromWhatGoesOrMaySleep) {
  for (const auto& [state, wakes, stays] : {std::tuple(MicrovmState::kPending, true, false),
                                            std::tuple(MicrovmState::kRunning, true, false),
                                            std::tuple(MicrovmState::kSuspending, true, true),
                                            std::tuple(MicrovmState::kSuspended, false, false),
                                            std::tuple(MicrovmState::kTerminating, true, true),
                                            std::tuple(MicrovmState::kTerminated, false, false)}) {
    Microvm record = microvm(state);
    EXPECT_EQ(may_free_memory(record), wakes) << to_string(state);
    record.idle_policy->auto_resume_enabled = false;
    EXPECT_EQ(may_free_memory(record), stays) << to_string(state);
  }
}

TEST(PoliciesTest, SleepIsMeasuredFromTheSuspension) {
  const Microvm record = microvm(MicrovmState::kSuspended);
  EXPECT_EQ(due(record, kStart + seconds(399), seconds(9999)).look_again_in, seconds(1));
  EXPECT_EQ(due(record, kStart + seconds(400), seconds(0)).action, DueAction::kTerminateSleepy);
}

TEST(PoliciesTest, EndOfLifeWinsOverIdleness) {
  EXPECT_EQ(due(microvm(MicrovmState::kRunning), kStart + seconds(1000), seconds(60)).action, DueAction::kTerminateOld);
}

TEST(PoliciesTest, NothingIsDueOfWhatEnds) {
  for (const MicrovmState state : {MicrovmState::kTerminating, MicrovmState::kTerminated}) {
    const Due nothing = due(microvm(state), kStart + seconds(99'999), seconds(99'999));
    EXPECT_EQ(nothing.action, DueAction::kNothing);
    EXPECT_FALSE(nothing.look_again_in);
  }
}

TEST(PoliciesPropertyTest, MaximumDurationCountsInEveryLiveState) {
  for (const MicrovmState state : kAllMicrovmStates) {
    Microvm record = microvm(state);
    record.idle_policy.reset();
    const bool live = state != MicrovmState::kTerminating && state != MicrovmState::kTerminated;
    EXPECT_EQ(due(record, kStart + seconds(1000), seconds(0)).action,
              live ? DueAction::kTerminateOld : DueAction::kNothing)
        << to_string(state);
    EXPECT_EQ(due(record, kStart + seconds(999), seconds(99'999)).action, DueAction::kNothing) << to_string(state);
  }
}

TEST(SizesTest, PeakIsFourTimesTheMinimum) {
  for (const int size : kMemorySizesMib) {
    const auto peak = peak_size(size);
    ASSERT_TRUE(peak) << size;
    EXPECT_EQ(peak->memory_mib, 4U * static_cast<unsigned>(size));
    EXPECT_EQ(peak->vcpus, peak->memory_mib / 2048);
  }
  EXPECT_EQ(peak_size(8192)->disk_bytes, std::uint64_t{32} << 30U);
  EXPECT_FALSE(peak_size(513));
}

}  // namespace
}  // namespace dormouse::control
