// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace dormouse::test {

// Time that stands still until a test moves it. Whoever waits through wait_until() is woken by each move. Thread-safe; what
// waits must not be destroyed during a move.
class FakeClock final : public Clock {
 public:
  SteadyTime steady() const override {
    const std::lock_guard lock(mutex_);
    return SteadyTime(std::chrono::hours(1)) + passed_;
  }
  WallTime wall() const override {
    const std::lock_guard lock(mutex_);
    return WallTime(std::chrono::hours(500'000)) + passed_;
  }

  void advance(std::chrono::milliseconds duration) {
    std::vector<Waiter> woken;
    {
      const std::lock_guard lock(mutex_);
      passed_ += duration;
      woken = waiters_;
    }
    for (const auto& [condition, mutex] : woken) {
      const std::lock_guard lock(*mutex);  // the waiter is then inside of its wait, not before it
      condition->notify_all();
    }
  }

  void wait_until(std::condition_variable& condition,
                  std::unique_lock<std::mutex>& lock,
                  SteadyTime deadline) const override {
    const Waiter waiter{&condition, lock.mutex()};
    {
      const std::lock_guard own_lock(mutex_);
      if (SteadyTime(std::chrono::hours(1)) + passed_ >= deadline) {
        return;
      }
      waiters_.push_back(waiter);
    }
    condition.wait(lock);
    const std::lock_guard own_lock(mutex_);
    waiters_.erase(std::find(waiters_.begin(), waiters_.end(), waiter));
  }

 private:
  using Waiter = std::pair<std::condition_variable*, std::mutex*>;

  mutable std::mutex mutex_;
  std::chrono::milliseconds passed_{0};  // guarded by mutex_
  mutable std::vector<Waiter> waiters_;  // guarded by mutex_
};

}  // namespace dormouse::test
