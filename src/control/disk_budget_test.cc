// SPDX-License-Identifier: Apache-2.0

#include "control/disk_budget.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

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
    const Status checked = budget.check(use);
    return checked ? "" : checked.error().message();
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
  EXPECT_EQ(budget->check(Use::kBuild).error().kind(), ErrorKind::kResourceExhausted);
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

}  // namespace
}  // namespace dormouse::control
