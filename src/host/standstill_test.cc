// SPDX-License-Identifier: Apache-2.0

#include "host/standstill.h"

#include <gtest/gtest.h>

namespace dormouse::host {
namespace {

using namespace std::chrono_literals;

// Looks every ten seconds at a guest with a patience of two minutes.
class StandstillJudgeTest : public testing::Test {
 protected:
  // Whether it stands still after so much more of everything.
  bool look(std::chrono::milliseconds ran, std::chrono::milliseconds waited = 0ms, std::uint64_t network_bytes = 0) {
    now_.at += 10s;
    now_.activity.ran += ran;
    now_.activity.waited += waited;
    now_.activity.network_bytes += network_bytes;
    return judge_.still(now_);
  }
  // How many more looks it takes until a guest that hardly does anything is found to stand still.
  int looks_until_still() {
    for (int looks = 1; looks <= 100; ++looks) {
      if (look(50ms, 20ms, 1000)) {
        return looks;
      }
    }
    return -1;
  }

  StandstillJudge judge_{2min};
  StandstillJudge::Sample now_{SteadyTime(), {}, 0};
};

TEST_F(StandstillJudgeTest, AGuestThatHardlyDoesAnythingStandsStillAfterThePatience) {
  EXPECT_FALSE(look(0ms));
  EXPECT_EQ(looks_until_still(), 12);
}

TEST_F(StandstillJudgeTest, IsAskedAgainAfterAsLongAgain) {
  look(0ms);
  EXPECT_EQ(looks_until_still(), 12);
  EXPECT_EQ(looks_until_still(), 12);
}

TEST_F(StandstillJudgeTest, AGuestThatRunsDoesNotStandStill) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(look(250ms));
  }
  EXPECT_EQ(looks_until_still(), 12);
}

TEST_F(StandstillJudgeTest, AGuestThatWaitsForAProcessorDoesNotStandStill) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(look(0ms, 5s));
  }
}

TEST_F(StandstillJudgeTest, AGuestThatTransfersDoesNotStandStill) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(look(0ms, 0ms, 8192));
  }
}

TEST_F(StandstillJudgeTest, AGuestThatPrintsDoesNotStandStill) {
  for (int i = 0; i < 100; ++i) {
    ++now_.output_bytes;
    EXPECT_FALSE(look(0ms));
  }
}

TEST_F(StandstillJudgeTest, AGuestThatWaitsForTheHostsDiskDoesNotStandStill) {
  now_.activity.waits_for_disk = true;
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(look(0ms));
  }
}

TEST_F(StandstillJudgeTest, AThreadThatEndsTakesItsWaitingAlongAndIsNoSignOfLife) {
  look(0ms, 60s);
  EXPECT_FALSE(look(0ms, -60s));
  EXPECT_EQ(looks_until_still(), 11);
}

TEST(StandstillGuardTest, APatienceIsAQuarterOfTheBuildAndTwoMinutesAtMost) {
  EXPECT_EQ(StandstillGuard::patience_of(1h), 2min);
  EXPECT_EQ(StandstillGuard::patience_of(100s), 25s);
}

}  // namespace
}  // namespace dormouse::host
