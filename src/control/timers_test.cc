// SPDX-License-Identifier: Apache-2.0

#include "control/timers.h"

#include <atomic>
#include <chrono>
#include <future>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/serial_queue.h"
#include "support/fake_clock.h"

namespace dormouse::control {
namespace {

using std::chrono::seconds;

TEST(TimersTest, CallsInTheOrderOfTheirTimesWhenTheseHaveCome) {
  test::FakeClock clock;
  Timers timers(clock);
  std::vector<int> called;  // by the timers' thread only, until the promise is kept
  std::promise<void> last;
  timers.at(clock.steady() + seconds(3), [&] { last.set_value(); });
  timers.at(clock.steady() + seconds(2), [&] { called.push_back(2); });
  timers.at(clock.steady() + seconds(1), [&] { called.push_back(1); });
  const auto cancelled = timers.at(clock.steady() + seconds(2), [&] { called.push_back(9); });
  timers.cancel(cancelled);
  clock.advance(seconds(3));
  last.get_future().get();
  EXPECT_THAT(called, testing::ElementsAre(1, 2));
}

TEST(TimersTest, NothingIsCalledBeforeItsTimeNorAfterStop) {
  test::FakeClock clock;
  Timers timers(clock);
  std::atomic<int> calls = 0;
  std::promise<void> marker;
  timers.at(clock.steady() + seconds(2), [&] { ++calls; });
  timers.at(clock.steady() + seconds(1), [&] { marker.set_value(); });
  clock.advance(seconds(1));
  marker.get_future().get();
  EXPECT_EQ(calls, 0);
  timers.stop();
  clock.advance(seconds(9));
  EXPECT_EQ(calls, 0);
}

TEST(SerialQueueTest, RunsEventsInOrderAndOneAtATime) {
  os::WorkerPool pool({4, 100});
  const auto queue = SerialQueue::create(pool);
  std::vector<int> order;  // unguarded: that is the claim
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(queue->post([&order, i] { order.push_back(i); }));
  }
  pool.stop();
  ASSERT_EQ(order.size(), 1000U);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
  EXPECT_FALSE(queue->post([] {}));
}

TEST(SerialQueueTest, EventMayPostToItsOwnQueue) {
  os::WorkerPool pool({1, 100});
  const auto queue = SerialQueue::create(pool);
  std::promise<void> done;
  queue->post([&] { queue->post([&] { done.set_value(); }); });
  done.get_future().get();
}

}  // namespace
}  // namespace dormouse::control
