// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace dormouse::os {

// A bounded number of threads that run blocking jobs in the order in which they were posted.
//
// Invariants: a job that was accepted runs exactly once, also when stop() follows; there are never more than threads_max
// threads. Threads are made when a job finds none idle and live until stop(). A job that waits for another job of the same
// pool can wait for ever: leave such waiting to callers outside of it.
//
// Thread-safe. Jobs must not throw: an exception that leaves one ends the program.
class WorkerPool {
 public:
  struct Options {
    std::size_t threads_max = 32;
    std::size_t queue_length_max = 10'000;  // jobs accepted and not yet begun
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();  // stops
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // kResourceExhausted when the queue is full or no first thread can be had, kCancelled after stop().
  Status post(std::function<void()> job);

  // Refuses new jobs, runs the accepted ones to their end and joins the threads. Idempotent. Not to be called by a job.
  void stop();

 private:
  void work();

  const Options options_;

  std::mutex mutex_;
  std::condition_variable job_posted_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_, as is everything below
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace dormouse::os
