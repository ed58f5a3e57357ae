// SPDX-License-Identifier: Apache-2.0

#include "logs/output_intake.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::logs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class OutputIntakeTest : public testing::Test {
 protected:
  void take(std::uint64_t offset, std::string_view bytes, std::uint64_t lost = 0, bool room = true) {
    intake.take({offset, lost, bytes}, room, wall, now);
  }
  void pass(milliseconds time) {
    wall += time;
    now += time;
    intake.age(wall, now);
  }
  std::vector<std::string> messages() {
    std::vector<std::string> texts;
    for (NewEvent& event : intake.take_events()) {
      texts.push_back(std::move(event.message));
    }
    return texts;
  }

  // A thousand bytes may come at once, a KiB a second after that.
  IntakeLimits limits{.line_bytes_max = 100, .pending_bytes_max = 1000, .bytes_per_second = 1024};
  OutputIntake intake{limits, std::nullopt};
  WallTime wall{seconds(1'000)};
  SteadyTime now{seconds(5)};
};

TEST_F(OutputIntakeTest, LinesBecomeEventsWithTheTimeTheyCame) {
  take(0, "one\ntwo\n");
  EXPECT_THAT(intake.take_events(), ElementsAre(NewEvent{1'000'000, "one"}, NewEvent{1'000'000, "two"}));
  EXPECT_EQ(intake.settled_offset(), 8U);
}

TEST_F(OutputIntakeTest, WhatWasToldBeforeIsLeftOut) {
  take(0, "one\ntwo\nth");
  EXPECT_EQ(intake.settled_offset(), 8U);
  take(4, "two\nthree\n");
  EXPECT_THAT(messages(), ElementsAre("one", "two", "three"));
  take(0, "one\n");
  EXPECT_THAT(messages(), IsEmpty());
  EXPECT_EQ(intake.settled_offset(), 14U);
}

TEST_F(OutputIntakeTest, AfterARestartItGoesOnWhereItWas) {
  OutputIntake again(limits, 4);
  again.take({0, 0, "one\ntwo\n"}, true, wall, now);
  EXPECT_THAT(again.take_events(), ElementsAre(NewEvent{1'000'000, "two"}));
}

TEST_F(OutputIntakeTest, AfterARollbackItGoesOnFromAnEarlierPlace) {
  take(0, "one\ntwo\nthr");
  intake.restart(wall);
  EXPECT_EQ(intake.settled_offset(), std::nullopt);
  take(4, "TWO\n");
  EXPECT_THAT(messages(), ElementsAre("one", "two", "thr", "TWO"));
}

TEST_F(OutputIntakeTest, AGapIsReportedInItsPlace) {
  take(0, "one\ntw");
  take(100, "three\n");
  EXPECT_THAT(messages(),
              ElementsAre("one",
                          "tw",
                          "[dormouse: 94 bytes of output were lost here: written faster than they could be fetched]",
                          "three"));
}

TEST_F(OutputIntakeTest, WhereItBeginsIsNoGapUnlessSomethingWasLost) {
  take(500, "one\n");
  EXPECT_THAT(messages(), ElementsAre("one"));
  OutputIntake lossy(limits, std::nullopt);
  lossy.take({500, 20, "one\n"}, true, wall, now);
  EXPECT_EQ(lossy.take_events().front().message,
            "[dormouse: 20 bytes of output were lost here: written faster than they could be fetched]");
}

TEST_F(OutputIntakeTest, ALineWithoutAnEndBecomesAnEventAfterAWhile) {
  take(0, "Password: ");
  pass(milliseconds(1'900));
  EXPECT_THAT(messages(), IsEmpty());
  EXPECT_EQ(intake.settled_offset(), 0U) << "it would be asked for again";
  pass(milliseconds(200));
  EXPECT_THAT(messages(), ElementsAre("Password: "));
  EXPECT_EQ(intake.settled_offset(), 10U);
}

TEST_F(OutputIntakeTest, TheLastLineNeedsNoEnd) {
  take(0, "bye");
  intake.finish(wall);
  EXPECT_THAT(messages(), ElementsAre("bye"));
}

TEST_F(OutputIntakeTest, AFloodIsBoundedAndWhatIsDroppedIsCounted) {
  std::uint64_t offset = 0;
  for (int line = 0; line < 10'000; ++line) {
    take(offset, "1234567\n");
    offset += 8;
    EXPECT_LE(intake.pending_bytes(), limits.pending_bytes_max * 9 / 8) << "and the last lines";
  }
  EXPECT_EQ(intake.settled_offset(), offset) << "what was dropped is not asked for again";
  const std::size_t kept = messages().size() + 1;  // and the last
  EXPECT_EQ(kept, 1000U / (7 + kEventOverheadBytes) + 1);
  pass(seconds(1));
  EXPECT_THAT(
      messages(),
      ElementsAre(
          fmt::format("[dormouse: {0} lines ({1} bytes) of output were dropped here: only 1 KiB a second are kept]",
                      10'000 - kept,
                      7 * (10'000 - kept)),
          "1234567"));
}

TEST_F(OutputIntakeTest, TheLastLinesOfAFloodAreKept) {
  for (std::uint64_t offset = 0; offset < 8'000; offset += 8) {
    take(offset, "1234567\n");
  }
  take(8'000, "why\n");
  (void)intake.take_events();
  intake.finish(wall);
  EXPECT_EQ(messages().back(), "why");
}

TEST_F(OutputIntakeTest, AFloodThatGoesOnGetsFewReports) {
  limits.pending_bytes_max = 10'000;
  OutputIntake flooded(limits, std::nullopt);
  std::uint64_t offset = 0;
  std::size_t events = 0;
  std::size_t reports = 0;
  for (int moment = 0; moment < 1'000; ++moment) {  // a hundred seconds
    for (int line = 0; line < 100; ++line) {
      flooded.take({offset, 0, "1234567\n"}, true, wall, now);
      offset += 8;
    }
    wall += milliseconds(100);
    now += milliseconds(100);
    flooded.age(wall, now);
    for (const NewEvent& event : flooded.take_events()) {
      ++events;
      reports += event.message.starts_with("[dormouse") ? 1U : 0U;
    }
  }
  EXPECT_LE(events * (7 + kEventOverheadBytes), 10'000 + 100 * 1024U);
  EXPECT_GT(events, 1'000U);
  EXPECT_LT(reports * 20, events) << "a report for each line kept would be noise";
}

TEST_F(OutputIntakeTest, AHostileGuestCannotMakeEventsOfGaps) {
  for (std::uint64_t offset = 1; offset < 100'000; offset += 2) {
    take(offset, "x");
  }
  EXPECT_LE(intake.pending_bytes(), 3 * limits.pending_bytes_max);
  EXPECT_LE(messages().size(), 40U);
}

TEST_F(OutputIntakeTest, WithoutRoomElsewhereLinesAreDroppedAndCounted) {
  take(0, "one\ntwo\n", 0, false);
  EXPECT_THAT(messages(), IsEmpty());
  intake.finish(wall);
  EXPECT_THAT(
      messages(),
      ElementsAre("[dormouse: 1 lines (3 bytes) of output were dropped here: only 1 KiB a second are kept]", "two"));
}

TEST_F(OutputIntakeTest, WhatCouldNotBeStoredIsCounted) {
  take(0, "one\n");
  intake.not_stored(intake.take_events());
  pass(milliseconds(10));
  EXPECT_THAT(messages(),
              ElementsAre("[dormouse: 1 lines (3 bytes) of output were dropped here: only 1 KiB a second are kept]"));
}

}  // namespace
}  // namespace dormouse::logs
