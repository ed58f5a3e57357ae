// SPDX-License-Identifier: Apache-2.0

#include "host/kept_processes.h"

#include <atomic>
#include <map>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/guest.h"
#include "support/fake_clock.h"

namespace dormouse::host {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Nothing but an address is asked of them here.
class KeptProcessesTest : public testing::Test {
 protected:
  std::shared_ptr<Guest> process(const std::string& name, std::uint64_t bytes) {
    auto place = std::make_shared<std::max_align_t>();
    std::shared_ptr<Guest> guest(place, reinterpret_cast<Guest*>(place.get()));
    const std::lock_guard lock(mutex_);
    names_[guest.get()] = {name, bytes};
    return guest;
  }

  std::unique_ptr<KeptProcesses> make(const KeptProcesses::Limits& limits) {
    ProcessCare care;
    care.lives = [this](Guest&) { return live_.load(); };
    care.bytes = [this](Guest& guest) {
      const std::lock_guard lock(mutex_);
      return names_.at(&guest).second;
    };
    care.end = [this](Guest& guest) {
      const std::lock_guard lock(mutex_);
      ended_.push_back(names_.at(&guest).first);
    };
    care.memory_is_short = [this] { return short_of_memory_.load(); };
    return std::make_unique<KeptProcesses>(limits, std::move(care), clock_);
  }

  std::vector<std::string> ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  test::FakeClock clock_;
  std::atomic<bool> live_{true};
  std::atomic<bool> short_of_memory_{false};
  std::mutex mutex_;
  std::map<const Guest*, std::pair<std::string, std::uint64_t>> names_;
  std::vector<std::string> ended_;
};

TEST_F(KeptProcessesTest, AProcessIsTakenOnceAndByItsOwnVmAlone) {
  const auto kept = make({seconds(60), 4, 100});
  const auto guest = process("a", 10);
  EXPECT_TRUE(kept->keep("a", guest));
  EXPECT_EQ(kept->take("b"), nullptr);
  EXPECT_EQ(kept->take("a"), guest);
  EXPECT_EQ(kept->take("a"), nullptr);
  EXPECT_EQ(kept->figures().hits, 1);
  EXPECT_EQ(kept->figures().bytes, 0);
  EXPECT_THAT(ended(), IsEmpty());
}

TEST_F(KeptProcessesTest, TheOldestMakeWayForWhatDoesNotFitBesideThem) {
  const auto kept = make({seconds(60), 3, 100});
  for (const char* name : {"a", "b", "c", "d"}) {
    EXPECT_TRUE(kept->keep(name, process(name, 20)));
  }
  EXPECT_THAT(ended(), ElementsAre("a")) << "no more than three";
  EXPECT_TRUE(kept->keep("e", process("e", 70)));
  EXPECT_THAT(ended(), ElementsAre("a", "b", "c")) << "no more than 100 bytes";
  EXPECT_EQ(kept->figures().bytes, 90);
  EXPECT_FALSE(kept->keep("f", process("f", 101)));
  EXPECT_EQ(kept->figures().count, 2) << "what never fits displaces nobody";
}

TEST_F(KeptProcessesTest, ItEndsWhenItsTimeIsOver) {
  const auto kept = make({seconds(60), 4, 100});
  EXPECT_TRUE(kept->keep("a", process("a", 10)));
  clock_.advance(seconds(59));
  kept->review();
  EXPECT_THAT(ended(), IsEmpty());
  EXPECT_TRUE(kept->keep("b", process("b", 10)));
  clock_.advance(seconds(1));
  kept->review();
  EXPECT_THAT(ended(), ElementsAre("a"));
  EXPECT_EQ(kept->take("a"), nullptr);
  EXPECT_NE(kept->take("b"), nullptr);
}

TEST_F(KeptProcessesTest, NoneIsKeptWithoutATime) {
  const auto kept = make({seconds(0), 4, 100});
  EXPECT_FALSE(kept->keep("a", process("a", 10)));
}

TEST_F(KeptProcessesTest, ShortMemoryEndsAllAndKeepsNone) {
  const auto kept = make({seconds(60), 4, 100});
  EXPECT_TRUE(kept->keep("a", process("a", 10)));
  EXPECT_TRUE(kept->keep("b", process("b", 10)));
  short_of_memory_ = true;
  EXPECT_FALSE(kept->keep("c", process("c", 10)));
  kept->review();
  EXPECT_THAT(ended(), ElementsAre("a", "b"));
}

TEST_F(KeptProcessesTest, ReleasingGivesBackWhatIsAskedForAndPauses) {
  const auto kept = make({seconds(60), 4, 100});
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_TRUE(kept->keep(name, process(name, 20)));
  }
  EXPECT_EQ(kept->release(30), 40);
  EXPECT_THAT(ended(), ElementsAre("a", "b"));
  EXPECT_FALSE(kept->keep("d", process("d", 20))) << "whose suspension was to free memory";
  clock_.advance(KeptProcesses::kPause);
  EXPECT_TRUE(kept->keep("d", process("d", 20)));
}

TEST_F(KeptProcessesTest, OneThatDiedMeanwhileIsNotTaken) {
  const auto kept = make({seconds(60), 4, 100});
  EXPECT_TRUE(kept->keep("a", process("a", 10)));
  live_ = false;
  EXPECT_EQ(kept->take("a"), nullptr);
  EXPECT_THAT(ended(), ElementsAre("a")) << "what is left of it is cleared away";
  EXPECT_EQ(kept->figures().hits, 0);
}

TEST_F(KeptProcessesTest, AllEndWithTheKeeper) {
  auto kept = make({seconds(60), 4, 100});
  EXPECT_TRUE(kept->keep("a", process("a", 10)));
  EXPECT_TRUE(kept->keep("b", process("b", 10)));
  kept->drop("a");
  kept->drop("nobody");
  kept.reset();
  EXPECT_THAT(ended(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace dormouse::host
