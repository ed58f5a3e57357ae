// SPDX-License-Identifier: Apache-2.0

#include "host/warm_pool.h"

#include <gtest/gtest.h>

namespace dormouse::host {
namespace {

using std::chrono::seconds;

const SteadyTime kStart{};

TEST(DemandTest, NothingIsMadeAheadOfWhatWasNeverLaunched) { EXPECT_EQ(Demand(Stage::kSettled).wanted(kStart), 0u); }

TEST(DemandTest, AsManyAsWereLaunchedOfLate) {
  Demand demand(Stage::kSettled);
  demand.launched(kStart);
  demand.launched(kStart + seconds(1));
  EXPECT_EQ(demand.wanted(kStart + seconds(2)), 2u);
}

TEST(DemandTest, ABurstIsBounded) {
  Demand demand(Stage::kSettled);
  for (int i = 0; i < 100; ++i) {
    demand.launched(kStart);
  }
  EXPECT_EQ(demand.wanted(kStart), Demand::stock_max(Stage::kSettled));
}

TEST(DemandTest, OneStaysReadyForAWhileAfterTheBurst) {
  Demand demand(Stage::kSettled);
  for (int i = 0; i < 3; ++i) {
    demand.launched(kStart);
  }
  EXPECT_EQ(demand.wanted(kStart + Demand::kDemandWindow + seconds(1)), 1u);
  EXPECT_EQ(demand.wanted(kStart + Demand::kKeepWindow + seconds(1)), 0u);
}

}  // namespace
}  // namespace dormouse::host
