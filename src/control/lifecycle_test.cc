// SPDX-License-Identifier: Apache-2.0

#include "control/lifecycle.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace dormouse::control {
namespace {

// The properties below hold for whole tables, so a new state or edge is covered the moment it is added.

template <typename States, typename Events>
auto reachable(typename States::value_type first, const States& all, const Events& events) {
  std::set<typename States::value_type> reached = {first};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const auto state : all) {
      for (const auto event : events) {
        if (const auto to = next_state(state, event); to && reached.contains(state)) {
          reached.insert(*to);
        }
      }
    }
  }
  return reached.size();
}

TEST(LifecyclePropertyTest, EveryStateIsReachable) {
  EXPECT_EQ(reachable(ImageState::kCreating, kAllImageStates, kAllImageEvents), kAllImageStates.size());
  EXPECT_EQ(reachable(VersionState::kPending, kAllVersionStates, kAllVersionEvents), kAllVersionStates.size());
  EXPECT_EQ(reachable(BuildState::kPending, kAllBuildStates, kAllBuildEvents), kAllBuildStates.size());
  EXPECT_EQ(reachable(MicrovmState::kPending, kAllMicrovmStates, kAllMicrovmEvents), kAllMicrovmStates.size());
}

template <typename State, typename Events>
bool is_terminal(State state, const Events& events) {
  for (const auto event : events) {
    if (next_state(state, event)) {
      return false;
    }
  }
  return true;
}

TEST(LifecyclePropertyTest, OnlyTheLastStatesAreTerminal) {
  for (const ImageState state : kAllImageStates) {
    EXPECT_EQ(is_terminal(state, kAllImageEvents), state == ImageState::kDeleted) << to_string(state);
  }
  for (const VersionState state : kAllVersionStates) {
    EXPECT_EQ(is_terminal(state, kAllVersionEvents), state == VersionState::kDeleted) << to_string(state);
  }
  for (const BuildState state : kAllBuildStates) {
    const bool ended = state == BuildState::kSuccessful || state == BuildState::kFailed;
    EXPECT_EQ(is_terminal(state, kAllBuildEvents), ended) << to_string(state);
  }
  for (const MicrovmState state : kAllMicrovmStates) {
    EXPECT_EQ(is_terminal(state, kAllMicrovmEvents), state == MicrovmState::kTerminated) << to_string(state);
  }
}

TEST(LifecyclePropertyTest, EveryLiveMicrovmCanBeTerminated) {
  for (const MicrovmState state : kAllMicrovmStates) {
    const bool live = state != MicrovmState::kTerminating && state != MicrovmState::kTerminated;
    const auto to = next_state(state, MicrovmEvent::kTerminate);
    EXPECT_EQ(to, live ? std::optional(MicrovmState::kTerminating) : std::nullopt) << to_string(state);
  }
}

TEST(LifecyclePropertyTest, NoEventLeavesAStateAsItWas) {
  for (const MicrovmState state : kAllMicrovmStates) {
    for (const MicrovmEvent event : kAllMicrovmEvents) {
      EXPECT_NE(next_state(state, event), std::optional(state)) << to_string(state) << " " << to_string(event);
    }
  }
}

TEST(LifecyclePropertyTest, ImageIsNeverDeletedDuringABuild) {
  for (const ImageState state : {ImageState::kCreating, ImageState::kUpdating, ImageState::kDeleting}) {
    EXPECT_FALSE(next_state(state, ImageEvent::kDelete)) << to_string(state);
  }
}

TEST(LifecyclePropertyTest, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const ImageState state : kAllImageStates) {
    EXPECT_TRUE(names.insert(to_string(state)).second) << to_string(state);
  }
  names.clear();
  for (const MicrovmState state : kAllMicrovmStates) {
    EXPECT_TRUE(names.insert(to_string(state)).second) << to_string(state);
  }
}

TEST(LifecycleTest, SuspendedMicrovmGoesStraightToRunning) {
  EXPECT_EQ(next_state(MicrovmState::kSuspended, MicrovmEvent::kResumed), MicrovmState::kRunning);
  EXPECT_FALSE(next_state(MicrovmState::kSuspended, MicrovmEvent::kSuspend));
  EXPECT_FALSE(next_state(MicrovmState::kPending, MicrovmEvent::kSuspend));
}

}  // namespace
}  // namespace dormouse::control
