// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace dormouse {

using SteadyTime = std::chrono::steady_clock::time_point;  // for deadlines and durations
using WallTime = std::chrono::system_clock::time_point;    // for records and what users see

// Where time comes from. A parameter of everything that decides by time, so that tests set it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady() const = 0;
  virtual WallTime wall() const = 0;

  // Waits on `condition`, whose mutex `lock` holds, until it is notified or `deadline` is reached; may return early.
  virtual void wait_until(std::condition_variable& condition,
                          std::unique_lock<std::mutex>& lock,
                          SteadyTime deadline) const {
    condition.wait_until(lock, deadline);
  }
};

class SystemClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace dormouse
