// SPDX-License-Identifier: Apache-2.0

#include "os/worker_pool.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace dormouse::os {
namespace {

TEST(WorkerPoolTest, AcceptedJobsRunEvenWhenThePoolStops) {
  std::atomic<int> ran = 0;
  WorkerPool pool({.threads_max = 2, .queue_length_max = 100});
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(pool.post([&ran] { ++ran; }));
  }
  pool.stop();
  EXPECT_EQ(ran, 50);
}

TEST(WorkerPoolTest, BlockingJobsRunAtTheSameTimeUpToTheLimit) {
  std::promise<void> first_reached, second_reached;
  WorkerPool pool({.threads_max = 2, .queue_length_max = 100});
  ASSERT_TRUE(pool.post([&] {
    first_reached.set_value();
    second_reached.get_future().wait();
  }));
  ASSERT_TRUE(pool.post([&] {
    first_reached.get_future().wait();
    second_reached.set_value();
  }));
  pool.stop();  // returns only if both ran at once
}

TEST(WorkerPoolTest, FullQueueIsRefusedWithTheLimit) {
  // Before the pool, so that they outlive its jobs.
  std::promise<void> begun;
  std::promise<void> release;
  const std::future<void> has_begun = begun.get_future();
  const std::shared_future<void> released = release.get_future().share();
  WorkerPool pool({.threads_max = 1, .queue_length_max = 1});
  ASSERT_TRUE(pool.post([&] {
    begun.set_value();
    released.wait();
  }));
  has_begun.wait();
  ASSERT_TRUE(pool.post([] {}));
  const Status refused = pool.post([] {});
  release.set_value();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_EQ(refused.error().message(), "1 jobs wait for a worker, the limit; retry later");
}

TEST(WorkerPoolTest, JobsAreRefusedAfterStop) {
  WorkerPool pool({});
  pool.stop();
  const Status refused = pool.post([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace dormouse::os
