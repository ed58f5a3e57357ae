// SPDX-License-Identifier: Apache-2.0

#include "control/endpoint_gate.h"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace dormouse::control {
namespace {

using std::chrono::seconds;

struct Visitor {
  std::shared_ptr<Lease> lease;
  std::optional<EndpointRefusal> refusal;
  int answers = 0;
  int revocations = 0;
};

class EndpointGateTest : public testing::Test {
 protected:
  bool visit(Visitor& visitor) {
    return gate->acquire([&visitor] { ++visitor.revocations; },
                         [&visitor](tl::expected<std::shared_ptr<Lease>, EndpointRefusal> answer) {
                           ++visitor.answers;
                           if (answer) {
                             visitor.lease = *std::move(answer);
                           } else {
                             visitor.refusal = answer.error();
                           }
                         });
  }

  test::FakeClock clock;
  int drained = 0;
  std::shared_ptr<EndpointGate> gate = EndpointGate::create(clock, [this] { ++drained; });
};

TEST_F(EndpointGateTest, ClosedGateHoldsAndOpeningServesInOneGo) {
  Visitor first;
  Visitor second;
  EXPECT_FALSE(visit(first));
  EXPECT_FALSE(visit(second));
  EXPECT_EQ(gate->held(), 2U);
  gate->open();
  EXPECT_TRUE(first.lease);
  EXPECT_TRUE(second.lease);
  EXPECT_EQ(gate->leases(), 2U);
  Visitor third;
  EXPECT_TRUE(visit(third));
  EXPECT_EQ(first.answers + second.answers + third.answers, 3);
}

TEST_F(EndpointGateTest, LeasesOutliveTheClosingAndTheLastOneSaysSo) {
  gate->open();
  Visitor first;
  Visitor second;
  visit(first);
  visit(second);
  gate->close();
  first.lease.reset();
  EXPECT_EQ(drained, 0);
  second.lease.reset();
  EXPECT_EQ(drained, 1);
}

TEST_F(EndpointGateTest, RevocationIsToldOnce) {
  gate->open();
  Visitor visitor;
  visit(visitor);
  gate->revoke();
  gate->revoke();
  EXPECT_EQ(visitor.revocations, 1);
  EXPECT_EQ(gate->leases(), 1U) << "until it is given back";
}

TEST_F(EndpointGateTest, RefusalAnswersAllThatAreHeld) {
  Visitor visitor;
  visit(visitor);
  gate->refuse(EndpointRefusal::kSuspended);
  EXPECT_EQ(visitor.refusal, EndpointRefusal::kSuspended);
  EXPECT_EQ(gate->held(), 0U);
}

TEST_F(EndpointGateTest, BusyGateDoesNotCloseAsIdle) {
  gate->open();
  Visitor visitor;
  visit(visitor);
  clock.advance(seconds(59));
  visitor.lease->activity();
  clock.advance(seconds(59));
  EXPECT_FALSE(gate->close_if_idle(seconds(60)));
  clock.advance(seconds(1));
  EXPECT_TRUE(gate->close_if_idle(seconds(60)));
  Visitor late;
  EXPECT_FALSE(visit(late));
}

TEST_F(EndpointGateTest, LeaseMayOutliveTheGatesOwner) {
  gate->open();
  Visitor visitor;
  visit(visitor);
  gate.reset();
  visitor.lease->activity();
  visitor.lease.reset();
}

TEST_F(EndpointGateTest, ManyThreadsEachGetOneAnswer) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 200;
  std::atomic<int> answers = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        gate->acquire([] {}, [&](const auto&) { ++answers; });
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    gate->open();
    gate->close();
    gate->refuse(EndpointRefusal::kSuspended);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  gate->refuse(EndpointRefusal::kSuspended);
  EXPECT_EQ(answers, kThreads * kRounds);
  EXPECT_EQ(gate->leases(), 0U);
}

}  // namespace
}  // namespace dormouse::control
