// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace dormouse::control {

// Calls functions when their time has come, on one thread of its own, earliest first. A function must not block and must
// not throw: it posts an event somewhere.
//
// Thread-safe. Time is that of the clock, so that a test sets it.
class Timers {
 public:
  explicit Timers(Clock& clock);
  ~Timers();  // forgets what is not due
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  using Id = std::uint64_t;
  Id at(SteadyTime when, std::function<void()> function);
  // The function is not called any more, unless it is being called now.
  void cancel(Id id);
  // Nothing is called after it has returned. Idempotent. Not to be called by a function.
  void stop();

 private:
  void run();

  Clock& clock_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<SteadyTime, Id>, std::function<void()>> functions_;  // guarded by mutex_, as is everything below
  std::map<Id, SteadyTime> times_;
  Id last_id_ = 0;
  bool stopping_ = false;

  std::thread thread_;  // the last member: it uses the others
};

}  // namespace dormouse::control
