// SPDX-License-Identifier: Apache-2.0

#include "proxy/vm_traffic.h"

#include <chrono>
#include <memory>

#include <gtest/gtest.h>

namespace dormouse::proxy {
namespace {

using std::chrono::milliseconds;
using What = TooMuch::What;

class VmTrafficTest : public testing::Test {
 protected:
  std::unique_ptr<VmTraffic::Connection> connection() { return std::make_unique<VmTraffic::Connection>(traffic); }

  VmTraffic traffic{3};  // requests under way
  control::EndpointLimits limits;
  SteadyTime now{};
};

TEST_F(VmTrafficTest, TakesAsManyConnectionsAsAreAllowed) {
  limits.connections = 2;
  const auto first = connection();
  auto second = connection();
  const auto third = connection();
  EXPECT_FALSE(first->begin_request("a", limits, now));
  EXPECT_FALSE(second->begin_request("a", limits, now));
  first->end_request();
  second->end_request();
  const auto refused = third->begin_request("a", limits, now);
  ASSERT_TRUE(refused) << "connections count between requests too";
  EXPECT_EQ(refused->what, What::kConnections);
  EXPECT_FALSE(first->begin_request("a", limits, now)) << "one that is there goes on";
  EXPECT_FALSE(connection()->begin_request("b", limits, now)) << "each VM has its own";
  second.reset();
  EXPECT_FALSE(third->begin_request("a", limits, now));
}

TEST_F(VmTrafficTest, ConnectionIsThatOfTheVmItAskedLast) {
  limits.connections = 1;
  const auto one = connection();
  const auto other = connection();
  EXPECT_FALSE(one->begin_request("a", limits, now));
  one->end_request();
  EXPECT_FALSE(one->begin_request("b", limits, now));
  EXPECT_FALSE(other->begin_request("a", limits, now));
}

TEST_F(VmTrafficTest, HoldsRequestsToTheRateOverAllConnections) {
  limits.requests = Rate{2, 2};
  for (int request = 0; request < 2; ++request) {
    EXPECT_FALSE(connection()->begin_request("a", limits, now)) << request;
  }
  const auto refused = connection()->begin_request("a", limits, now);
  ASSERT_TRUE(refused) << "a new connection has no allowance of its own";
  EXPECT_EQ(refused->what, What::kRequests);
  EXPECT_EQ(refused->retry_after_seconds, 1);
  EXPECT_FALSE(connection()->begin_request("b", limits, now));
  now += milliseconds(500);
  EXPECT_FALSE(connection()->begin_request("a", limits, now));
}

TEST_F(VmTrafficTest, BoundsWhatIsUnderWayWithoutLimitsToo) {
  std::unique_ptr<VmTraffic::Connection> all[4];
  for (auto& one : all) {
    one = connection();
    const auto refused = one->begin_request("a", limits, now);
    EXPECT_EQ(refused.has_value(), one == all[3]);
  }
  all[0]->end_request();
  EXPECT_FALSE(all[3]->begin_request("a", limits, now));
}

TEST_F(VmTrafficTest, KeepsNothingOfVmsThatNobodyAsks) {
  for (int vm = 0; vm < 10; ++vm) {
    EXPECT_FALSE(connection()->begin_request(std::to_string(vm), limits, now));
  }
  EXPECT_EQ(traffic.size(), 0U);
  limits.requests = Rate{1, 1};
  for (int vm = 0; vm < 10; ++vm) {
    EXPECT_FALSE(connection()->begin_request(std::to_string(vm), limits, now));
  }
  EXPECT_EQ(traffic.size(), 10U) << "their rates are still to recover";
  now += std::chrono::seconds(1);
  EXPECT_FALSE(connection()->begin_request("next", limits, now));
  EXPECT_EQ(traffic.size(), 1U);
}

}  // namespace
}  // namespace dormouse::proxy
