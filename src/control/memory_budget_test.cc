// SPDX-License-Identifier: Apache-2.0

#include "control/memory_budget.h"

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ControlFixture;
using test::FakeHost;
using test::Request;
using testing::HasSubstr;

constexpr const char* kAccount = ControlFixture::kAccount;
constexpr std::uint64_t kMiB = 1U << 20U;

os::Context soon() { return os::Context::with_timeout(milliseconds(1)); }
os::Context patient() { return os::Context::with_timeout(seconds(30)); }

TEST(MemoryBudgetTest, RoomIsAlwaysThereWithoutALimit) {
  FakeHost host;
  host.put("vm", true);
  host.set_private_bytes(1'000'000 * kMiB);
  MemoryBudget budget(host, std::nullopt);
  EXPECT_TRUE(budget.take(soon()));
  budget.relieve();
}

TEST(MemoryBudgetTest, RoomIsPromisedOnceUntilItIsGivenBack) {
  FakeHost host;
  MemoryBudget budget(host, 2 * MemoryBudget::kExpectedBytes);
  budget.on_shortage([] { return false; }, [] { return 0; });
  auto first = budget.take(soon());
  auto second = budget.take(soon());
  ASSERT_TRUE(first && second);
  const auto third = budget.take(soon());
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_EQ(third.error().message(),
            "VMs use 96 MiB of the 96 MiB that --memory-budget allows, and none of them is idle and woken by requests: "
            "suspend or terminate some");
  (*second)->give_back();
  (*second)->give_back();  // as often as one likes
  EXPECT_TRUE(budget.take(soon()));
}

TEST(MemoryBudgetTest, OneMoreIsExpectedToNeedWhatTheOthersDo) {
  FakeHost host;
  host.put("a", true);
  host.put("b", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget tight(host, 299 * kMiB);
  tight.on_shortage([] { return false; }, [] { return 0; });
  EXPECT_FALSE(tight.take(soon()));
  MemoryBudget enough(host, 300 * kMiB);
  EXPECT_TRUE(enough.take(soon()));
}

TEST(MemoryBudgetTest, WhoWaitsGetsTheRoomOfAVmThatFellAsleep) {
  FakeHost host;
  host.put("a", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 150 * kMiB);
  std::promise<void> asked;
  budget.on_shortage(
      [&, first = true]() mutable {
        if (first) {
          asked.set_value();
        }
        return std::exchange(first, false);
      },
      [] { return 0; });
  auto taken = std::async(std::launch::async, [&] { return budget.take(patient()); });
  asked.get_future().wait();
  ASSERT_TRUE(host.suspend("a", patient()));
  budget.freed();
  EXPECT_TRUE(taken.get());
}

TEST(MemoryBudgetTest, AsManyAreAskedAsWhatIsTooMuchWouldNeed) {
  FakeHost host;
  for (const char* const vm : {"a", "b", "c", "d", "e"}) {
    host.put(vm, true);
  }
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 250 * kMiB);
  int asked = 0;
  budget.on_shortage(
      [&] {
        ++asked;
        return true;
      },
      [] { return 5; });
  budget.relieve();  // 500 MiB: three of them
  EXPECT_EQ(asked, 3);
}

TEST(MemoryBudgetTest, CancellationEndsTheWait) {
  FakeHost host;
  host.put("a", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 50 * kMiB);
  budget.on_shortage([] { return false; }, [] { return 0; });
  const os::Cancellation cancellation;
  cancellation.cancel();
  const auto taken = budget.take(os::Context(cancellation, std::chrono::steady_clock::now() + seconds(30)));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind(), ErrorKind::kCancelled);
}

TEST(MemoryBudgetTest, WhatIsAdmittedIsNotPromisedToOthers) {
  FakeHost host;
  MemoryBudget budget(host, 2 * MemoryBudget::kExpectedBytes);
  budget.on_shortage([] { return false; }, [] { return 0; });
  auto rooms = budget.admit(2);
  ASSERT_TRUE(rooms);
  EXPECT_FALSE(budget.admit(1)) << "another launch";
  EXPECT_FALSE(budget.take(soon())) << "a wake";
  EXPECT_TRUE(budget.wait(*rooms->front(), soon()));
  EXPECT_TRUE(budget.wait(*rooms->back(), soon()));
  rooms->pop_back();  // nothing came of it
  EXPECT_TRUE(budget.admit(1));
}

TEST(MemoryBudgetTest, AsManyAreAdmittedAsMayFreeTheirMemory) {
  FakeHost host;
  host.put("a", true);
  host.put("b", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 250 * kMiB);
  std::uint64_t may_free = 0;
  budget.on_shortage([] { return false; }, [&] { return may_free; });
  EXPECT_FALSE(budget.admit(1)) << "neither of the two that run may sleep";
  may_free = 1;
  const auto first = budget.admit(1);
  ASSERT_TRUE(first);
  EXPECT_EQ(budget.wait(*first->front(), soon()).error().message(),
            "VMs use 200 MiB of the 250 MiB that --memory-budget allows, and the 1 that may be put to sleep when idle "
            "are not enough: suspend or terminate some");
  EXPECT_FALSE(budget.admit(1)) << "the first one waits for that memory";
  may_free = 2;
  EXPECT_TRUE(budget.admit(1));
}

TEST(MemoryBudgetTest, RoomThatWaitedInVainCountsNoMore) {
  FakeHost host;
  host.put("a", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 250 * kMiB);
  budget.on_shortage([] { return false; }, [] { return 1; });
  {
    const auto rooms = budget.admit(2);
    ASSERT_TRUE(rooms);
    EXPECT_FALSE(budget.admit(1));
    EXPECT_TRUE(budget.wait(*rooms->front(), soon()));
    EXPECT_FALSE(budget.wait(*rooms->back(), soon()));
  }
  EXPECT_TRUE(budget.admit(2));
}

TEST(MemoryBudgetTest, NoRoomIsSaidAtOnceWhereNoneMayCome) {
  FakeHost host;
  host.put("a", true);
  host.set_private_bytes(100 * kMiB);
  MemoryBudget budget(host, 250 * kMiB);
  budget.on_shortage([] { return false; }, [] { return 0; });
  EXPECT_TRUE(budget.admit(1));
  EXPECT_EQ(
      budget.admit(2).error(),
      "VMs use 100 MiB of the 250 MiB that --memory-budget allows, and none of them is idle and woken by requests: "
      "suspend or terminate some");
  MemoryBudget unlimited(host, std::nullopt);
  EXPECT_EQ(unlimited.admit(1000).value().size(), 1000);
}

class MemoryShortageTest : public testing::Test {
 protected:
  // Room for two VMs.
  MemoryShortageTest() {
    fixture.host.set_private_bytes(100 * kMiB);
    fixture.memory_budget_bytes = 250 * kMiB;
    fixture.restart();
    fixture.start();
    fixture.create_image();
  }

  std::string run(bool wakes_by_request = true) {
    RunRequest request = fixture.run_request();
    request.idle_policy = IdlePolicy{3600, 3600, wakes_by_request};
    return fixture.run_to_running(request).microvm_id;
  }
  void use(const std::string& id) {
    fixture.clock.advance(milliseconds(10));
    Request request(*fixture.microvms, id);
    EXPECT_EQ(request.wait(), "lease");
    request.finish();
    fixture.clock.advance(milliseconds(10));
  }
  bool reaches(const std::string& id, MicrovmState state, int times = 1) {
    return fixture.states.wait_for(id, state, times);
  }

  ControlFixture fixture;
};

TEST_F(MemoryShortageTest, LaunchPutsTheLeastRecentlyUsedVmToSleep) {
  const std::string first = run();
  const std::string second = run();
  use(second);
  use(first);
  const std::string third = run();
  EXPECT_TRUE(reaches(second, MicrovmState::kSuspended));
  EXPECT_EQ(fixture.get(first).state, MicrovmState::kRunning);
  EXPECT_EQ(fixture.get(third).state, MicrovmState::kRunning);
}

TEST_F(MemoryShortageTest, LaunchIsRefusedBeforeTheHostRunsShort) {
  run(false);
  run(false);
  const auto refused = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kInsufficientCapacity);
  EXPECT_EQ(
      refused.error().message,
      "No MicroVM can be launched now: VMs use 200 MiB of the 250 MiB that --memory-budget allows, and none of them "
      "is idle and woken by requests: suspend or terminate some");
}

TEST_F(MemoryShortageTest, BurstOfLaunchesIsAcceptedAsFarAsThereIsRoomForAll) {
  fixture.host.hold(FakeHost::Call::kLaunch);
  std::vector<std::string> accepted;
  std::string refusal;
  for (int i = 0; i < 20; ++i) {
    const auto launched = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
    if (launched) {
      accepted.push_back(launched->microvm_id);
    } else {
      EXPECT_EQ(launched.error().kind, ServiceErrorKind::kInsufficientCapacity);
      refusal = launched.error().message;
    }
  }
  EXPECT_EQ(accepted.size(), 250 * kMiB / MemoryBudget::kExpectedBytes);
  EXPECT_EQ(
      refusal,
      "No MicroVM can be launched now: VMs use 240 MiB of the 250 MiB that --memory-budget allows, and none of them "
      "is idle and woken by requests: suspend or terminate some");
  fixture.host.set_private_bytes(10 * kMiB);
  fixture.host.release(FakeHost::Call::kLaunch);
  for (const std::string& id : accepted) {
    EXPECT_TRUE(reaches(id, MicrovmState::kRunning)) << fixture.get(id).state_reason.value_or("");
  }
}

TEST_F(MemoryShortageTest, ChildrenThatWaitForTheirParentsStateHaveTheirRoom) {
  const std::string parent = run(false);  // 100 MiB: one more fits
  fixture.host.hold(FakeHost::Call::kCheckpoint);
  ForkRequest one;
  one.count = 1;
  const auto children = fixture.microvms->fork_microvm(kAccount, parent, one);
  const auto refused = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
  fixture.host.release(FakeHost::Call::kCheckpoint);
  ASSERT_TRUE(children);
  EXPECT_TRUE(reaches(children->front().microvm_id, MicrovmState::kRunning));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kInsufficientCapacity);
}

TEST_F(MemoryShortageTest, RoomIsGivenBackByWhatCameToNothing) {
  run(false);  // 100 MiB: one more fits
  const auto launches_once_more = [&] {
    const auto launched = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
    ASSERT_TRUE(launched) << launched.error().message;
    EXPECT_TRUE(reaches(launched->microvm_id, MicrovmState::kRunning));
    ASSERT_TRUE(fixture.microvms->terminate(kAccount, launched->microvm_id));
    EXPECT_TRUE(reaches(launched->microvm_id, MicrovmState::kTerminated));
  };
  fixture.host.fail_next(FakeHost::Call::kLaunch, ErrorKind::kInternal);
  const std::string failed = fixture.run(fixture.run_request()).microvm_id;
  EXPECT_TRUE(reaches(failed, MicrovmState::kTerminated));
  launches_once_more();
  // Beyond the account's quota.
  Quotas quotas;
  quotas.memory_mib = 1;
  fixture.world->quotas.set_defaults(quotas);
  EXPECT_FALSE(fixture.microvms->run(kAccount, fixture.run_request(), "digest"));
  fixture.world->quotas.set_defaults({});
  launches_once_more();
}

TEST_F(MemoryShortageTest, RequestsWakeMoreVmsThanFitByTurns) {
  const std::string first = run();
  const std::string second = run();
  const std::string third = run();
  for (int round = 0; round < 5; ++round) {
    for (const std::string& id : {first, second, third}) {
      use(id);
    }
  }
  EXPECT_EQ(fixture.host.broken_rules(), std::vector<std::string>());
}

TEST_F(MemoryShortageTest, KeptProcessesMakeRoomBeforeAnyVmSleeps) {
  const std::string first = run();
  fixture.host.set_kept_bytes(140 * kMiB);
  const std::string second = run();
  EXPECT_EQ(fixture.get(first).state, MicrovmState::kRunning);
  EXPECT_EQ(fixture.get(second).state, MicrovmState::kRunning);
  EXPECT_EQ(fixture.host.memory_use().kept_bytes, 50 * kMiB) << "as much as was needed";
  use(second);
  run();
  EXPECT_EQ(fixture.host.memory_use().kept_bytes, 0);
  EXPECT_TRUE(reaches(first, MicrovmState::kSuspended));
}

TEST_F(MemoryShortageTest, LaunchIsNotRefusedForWhatKeptProcessesHold) {
  run(false);  // nothing can be had of this one
  fixture.host.set_kept_bytes(140 * kMiB);
  const std::string second = run(false);
  EXPECT_EQ(fixture.get(second).state, MicrovmState::kRunning);
}

TEST_F(MemoryShortageTest, VmThatIsInUseIsNotPutToSleep) {
  const std::string first = run();
  const std::string second = run();
  use(second);
  Request busy(*fixture.microvms, first);
  ASSERT_EQ(busy.wait(), "lease");
  run();
  EXPECT_TRUE(reaches(second, MicrovmState::kSuspended));
  EXPECT_EQ(fixture.get(first).state, MicrovmState::kRunning);
  EXPECT_FALSE(busy.revoked());
  busy.finish();
}

TEST_F(MemoryShortageTest, VmThatNoRequestWouldWakeIsNotPutToSleep) {
  const std::string stays = run(false);
  const std::string wakes = run();
  use(stays);
  use(wakes);
  run();
  EXPECT_TRUE(reaches(wakes, MicrovmState::kSuspended));
  EXPECT_EQ(fixture.get(stays).state, MicrovmState::kRunning);
}

TEST_F(MemoryShortageTest, GuestsThatWroteMoreThanExpectedMakeOthersSleep) {
  const std::string first = run();
  const std::string second = run();
  use(first);
  use(second);
  fixture.host.set_private_bytes(200 * kMiB);
  fixture.clock.advance(seconds(1));
  EXPECT_TRUE(reaches(first, MicrovmState::kSuspended));
  EXPECT_EQ(fixture.get(second).state, MicrovmState::kRunning);
}

}  // namespace
}  // namespace dormouse::control
