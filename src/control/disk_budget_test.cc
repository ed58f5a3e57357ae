// SPDX-License-Identifier: Apache-2.0

#include "control/disk_budget.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kGiB = 1ULL << 30U;
using Use = DiskBudget::Use;

class DiskBudgetTest : public testing::Test {
 protected:
  std::unique_ptr<DiskBudget> budget_of(std::optional<std::uint64_t> bytes) {
    auto made = std::make_unique<DiskBudget>(
        DiskBudget::Sources{
            clock_,
            [this]() -> Result<os::FileSystemFacts> { return os::FileSystemFacts{1000 * kGiB, available_}; },
            [this](const os::Context&) -> Result<DiskBudget::Bytes> {
              ++counts_;
              return DiskBudget::Bytes{{"image", held_}};
            },
            [this] { return running_; },
            [this] { return sleeping_; }},
        bytes);
    made->count();
    return made;
  }
  static std::string refusal(DiskBudget& budget, Use use) {
    const auto room = budget.take(use);
    return room ? "" : room.error().message();
  }

  test::FakeClock clock_;
  std::uint64_t available_ = 500 * kGiB;
  std::uint64_t held_ = 0;
  std::uint64_t running_ = 0;
  std::uint64_t sleeping_ = 0;
  int counts_ = 0;
};

TEST_F(DiskBudgetTest, RefusesABuildThatHasNoRoomInTheBudgetAndSaysWhatToDo) {
  held_ = 19 * kGiB + 512 * kMiB;
  const auto budget = budget_of(20 * kGiB);
  EXPECT_EQ(
      refusal(*budget, Use::kBuild),
      "the disk budget of 20.0 GiB (--disk-budget) has 512 MiB left, and a build needs 1024 MiB, with what puts the "
      "MicroVMs that run to sleep: delete images, checkpoints or artifacts that are not needed any more (`dormouse "
      "df` shows what holds how much), or raise the budget");
  EXPECT_EQ(budget->take(Use::kBuild).error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_EQ(refusal(*budget, Use::kLaunch), "");
}

TEST_F(DiskBudgetTest, TheFileSystemIsABoundToo) {
  available_ = 100 * kMiB;
  const auto budget = budget_of(std::nullopt);
  sleeping_ = 64 * kMiB;
  EXPECT_EQ(refusal(*budget, Use::kSuspension),
            "the host's disk has 100 MiB free, and a suspension needs 128 MiB: delete images, checkpoints or artifacts "
            "that are not needed any more (`dormouse df` shows what holds how much), or make room otherwise");
  available_ = 200 * kMiB;
  EXPECT_EQ(refusal(*budget, Use::kSuspension), "");
}

TEST_F(DiskBudgetTest, WhatRunsCanStillBePutToSleepWhenNothingMoreIsLaunched) {
  held_ = 9 * kGiB;
  running_ = kGiB;
  sleeping_ = 100 * kMiB;
  const auto budget = budget_of(10 * kGiB);
  EXPECT_NE(refusal(*budget, Use::kLaunch), "");
  EXPECT_NE(refusal(*budget, Use::kCheckpoint), "");
  EXPECT_EQ(refusal(*budget, Use::kSuspension), "");
}

TEST_F(DiskBudgetTest, WhatWasWrittenSinceTheLastCountIsTakenForOursUntilItIsCountedAnew) {
  held_ = 5 * kGiB;
  const auto budget = budget_of(10 * kGiB);
  available_ -= 5 * kGiB;
  EXPECT_EQ(budget->room().held_bytes, 10 * kGiB);
  clock_.advance(std::chrono::seconds(3));
  EXPECT_EQ(refusal(*budget, Use::kLaunch), "");  // it was somebody else's
  EXPECT_EQ(counts_, 2);
  EXPECT_EQ(budget->room().held_bytes, 5 * kGiB);
}

TEST_F(DiskBudgetTest, ABurstThatIsAcceptedTogetherDoesNotCountOnTheSameFreeBytes) {
  held_ = 10 * kGiB - 200 * kMiB;
  const auto budget = budget_of(10 * kGiB);
  std::vector<DiskBudget::RoomPointer> rooms;
  for (int i = 0; i < 3; ++i) {
    const auto room = budget->take(Use::kLaunch);
    ASSERT_TRUE(room) << i;
    rooms.push_back(*room);
  }
  EXPECT_EQ(
      refusal(*budget, Use::kLaunch),
      "the disk budget of 10.0 GiB (--disk-budget) has 200 MiB left, 192 MiB of it for what was accepted just "
      "before, and a launch needs 64 MiB, with what puts the MicroVMs that run to sleep: delete images, checkpoints "
      "or artifacts that are not needed any more (`dormouse df` shows what holds how much), or raise the budget");
  rooms.pop_back();
  EXPECT_EQ(refusal(*budget, Use::kLaunch), "");
}

TEST_F(DiskBudgetTest, AForkOfManyCountsAsMany) {
  held_ = 10 * kGiB - 200 * kMiB;
  const auto budget = budget_of(10 * kGiB);
  EXPECT_TRUE(budget->take(Use::kLaunch, 3));
  EXPECT_FALSE(budget->take(Use::kLaunch, 4));
}

TEST_F(DiskBudgetTest, TheFileSystemsFreeBytesArePromisedOnceToo) {
  available_ = 3 * kGiB - kMiB;
  const auto budget = budget_of(std::nullopt);
  const auto first = budget->take(Use::kBuild);
  const auto second = budget->take(Use::kBuild);
  EXPECT_TRUE(first && second);
  EXPECT_NE(refusal(*budget, Use::kBuild), "");
}

TEST_F(DiskBudgetTest, WhatABuildHasWrittenIsNotCountedTwice) {
  held_ = 8 * kGiB;
  const auto budget = budget_of(10 * kGiB);
  const auto build = budget->take(Use::kBuild);
  ASSERT_TRUE(build);
  EXPECT_EQ(budget->room().left(), kGiB);
  available_ -= 900 * kMiB;
  held_ += 900 * kMiB;
  for (const bool counted : {false, true}) {
    EXPECT_EQ(budget->room().promised_bytes, 124 * kMiB) << counted;
    EXPECT_EQ(budget->room().left(), kGiB) << counted;
    budget->count();
  }
  available_ -= 300 * kMiB;  // more than it was promised
  EXPECT_EQ(budget->room().promised_bytes, 0);
  EXPECT_EQ(budget->room().left(), kGiB - 176 * kMiB);
}

TEST_F(DiskBudgetTest, OneThatEndsTakesItsPromiseAlongAndLeavesThoseOfOthers) {
  held_ = 5 * kGiB;
  const auto budget = budget_of(10 * kGiB);
  const auto first = budget->take(Use::kBuild);
  {
    const auto second = budget->take(Use::kBuild);
    available_ -= 512 * kMiB;
    const auto third = budget->take(Use::kBuild);
    EXPECT_EQ(budget->room().promised_bytes, 2 * kGiB + 512 * kMiB);
    available_ += 512 * kMiB;  // what failed is removed
  }
  EXPECT_EQ(budget->room().promised_bytes, kGiB);
  EXPECT_EQ(budget->room().left(), 4 * kGiB);
}

TEST_F(DiskBudgetTest, ASuspensionIsNotRefusedForABuildThatLeftRoomForIt) {
  held_ = 8 * kGiB;
  running_ = sleeping_ = kGiB;
  const auto budget = budget_of(10 * kGiB);
  const auto build = budget->take(Use::kBuild);
  ASSERT_TRUE(build);
  EXPECT_EQ(refusal(*budget, Use::kSuspension), "");
  available_ -= 900 * kMiB;
  EXPECT_EQ(refusal(*budget, Use::kSuspension), "");
}

TEST_F(DiskBudgetTest, RoomsAreTakenAndGivenBackFromManyThreads) {
  held_ = 10 * kGiB - 200 * kMiB;
  const auto budget = budget_of(10 * kGiB);
  std::vector<Result<DiskBudget::RoomPointer>> rooms(8);
  std::vector<std::thread> callers;
  for (auto& room : rooms) {
    callers.emplace_back([&] { room = budget->take(Use::kLaunch); });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(std::ranges::count_if(rooms, [](const auto& room) { return room.has_value(); }), 3);
  rooms.clear();
  EXPECT_EQ(budget->room().promised_bytes, 0);
}

TEST_F(DiskBudgetTest, AFileSystemThatCannotBeAskedForAMomentForgetsNoPromise) {
  bool answers = true;
  DiskBudget budget({clock_,
                     [&]() -> Result<os::FileSystemFacts> {
                       return answers ? Result<os::FileSystemFacts>(os::FileSystemFacts{10 * kGiB, available_})
                                      : fail(ErrorKind::kInternal, "no");
                     },
                     [](const os::Context&) -> Result<DiskBudget::Bytes> { return DiskBudget::Bytes(); },
                     [] { return 0; },
                     [] { return 0; }},
                    std::nullopt);
  const auto first = budget.take(Use::kBuild);
  answers = false;
  const auto second = budget.take(Use::kBuild);
  answers = true;
  EXPECT_TRUE(first && second);
  EXPECT_EQ(budget.room().promised_bytes, 2 * kGiB);
}

TEST_F(DiskBudgetTest, RefusalsInARowDoNotCountInARow) {
  held_ = 10 * kGiB;
  const auto budget = budget_of(10 * kGiB);
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(refusal(*budget, Use::kLaunch), "");
  }
  EXPECT_EQ(counts_, 1);
  clock_.advance(DiskBudget::kFresh);
  held_ = 0;  // something was deleted
  EXPECT_EQ(refusal(*budget, Use::kLaunch), "");
}

TEST_F(DiskBudgetTest, RefusalsAtTheSameTimeCountOnce) {
  held_ = 10 * kGiB;
  const auto budget = budget_of(10 * kGiB);
  clock_.advance(DiskBudget::kFresh);
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] { EXPECT_NE(refusal(*budget, Use::kLaunch), ""); });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(counts_, 2);
}

TEST_F(DiskBudgetTest, ACountThatFailsIsNotTriedAgainAtOnce) {
  int counts = 0;
  available_ = 0;
  DiskBudget budget({clock_,
                     [this]() -> Result<os::FileSystemFacts> { return os::FileSystemFacts{kGiB, available_}; },
                     [&counts](const os::Context&) -> Result<DiskBudget::Bytes> {
                       ++counts;
                       return fail(ErrorKind::kDeadlineExceeded, "too slow");
                     },
                     [] { return 0; },
                     [] { return 0; }},
                    std::nullopt);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(refusal(budget, Use::kLaunch), "");
  }
  EXPECT_EQ(counts, 1);
}

TEST_F(DiskBudgetTest, ADirectoryThatCannotBeCountedRefusesNothingThatThereIsRoomFor) {
  DiskBudget budget({clock_,
                     [this]() -> Result<os::FileSystemFacts> { return os::FileSystemFacts{kGiB, available_}; },
                     [](const os::Context&) -> Result<DiskBudget::Bytes> { return fail(ErrorKind::kInternal, "no"); },
                     [] { return 0; },
                     [] { return 0; }},
                    10 * kGiB);
  budget.count();
  EXPECT_EQ(refusal(budget, Use::kBuild), "");
  EXPECT_TRUE(budget.by_kind().empty());
}

// ---- with the VMs ----

class DiskShortageTest : public DiskBudgetTest {
 protected:
  DiskShortageTest() {
    fixture_.create_image();
    fixture_.world->disk = budget_.get();
  }
  Answer<Microvm> run() {
    return fixture_.microvms->run(test::ControlFixture::kAccount, fixture_.run_request(), "digest");
  }
  // Jobs go a moment after what they did is told.
  bool all_given_back() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (budget_->room().promised_bytes > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    return budget_->room().promised_bytes == 0;
  }

  const std::unique_ptr<DiskBudget> budget_ = budget_of(200 * kMiB);  // three launches
  test::ControlFixture fixture_;
};

TEST_F(DiskShortageTest, BurstOfLaunchesIsAcceptedAsFarAsThereIsRoomForAll) {
  fixture_.host.hold(test::FakeHost::Call::kLaunch);
  std::vector<std::string> accepted;
  for (int i = 0; i < 10; ++i) {
    const auto launched = run();
    if (launched) {
      accepted.push_back(launched->microvm_id);
    } else {
      EXPECT_EQ(launched.error().kind, ServiceErrorKind::kInsufficientCapacity);
    }
  }
  EXPECT_EQ(accepted.size(), 3U);
  fixture_.host.release(test::FakeHost::Call::kLaunch);
  for (const std::string& id : accepted) {
    EXPECT_TRUE(fixture_.states.wait_for(id, MicrovmState::kRunning));
  }
  EXPECT_TRUE(all_given_back());
  EXPECT_TRUE(run());
}

TEST_F(DiskShortageTest, WhatComesToNothingGivesItsRoomBack) {
  fixture_.host.fail_next(test::FakeHost::Call::kLaunch, ErrorKind::kInternal);
  const auto failed = run();
  ASSERT_TRUE(failed);
  EXPECT_TRUE(fixture_.states.wait_for(failed->microvm_id, MicrovmState::kTerminated));
  EXPECT_TRUE(all_given_back());
  Quotas quotas;
  quotas.memory_mib = 1;
  fixture_.world->quotas.set_defaults(quotas);
  EXPECT_FALSE(run());
  EXPECT_TRUE(all_given_back());
}

TEST_F(DiskShortageTest, AForkHasRoomForAllOfItsChildrenOrForNone) {
  const Microvm parent = fixture_.run_to_running(fixture_.run_request());
  ASSERT_TRUE(all_given_back());
  ForkRequest request;
  request.count = 4;
  const auto refused = fixture_.microvms->fork_microvm(parent.account, parent.microvm_id, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kInsufficientCapacity);
  request.count = 3;
  fixture_.host.hold(test::FakeHost::Call::kCheckpoint);
  EXPECT_TRUE(fixture_.microvms->fork_microvm(parent.account, parent.microvm_id, request));
  EXPECT_FALSE(run());
  fixture_.host.release(test::FakeHost::Call::kCheckpoint);
  EXPECT_TRUE(all_given_back());
}

}  // namespace
}  // namespace dormouse::control
