// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::agent {

// Told what epoll(7) reports about a descriptor; 0 for a turn asked for with Loop::again().
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_events(std::uint32_t events) = 0;
};

class TimerSink {
 public:
  virtual ~TimerSink() = default;
  virtual void on_timer() = 0;
};

// The agent's only thread: waits, calls sinks, and sleeps for ever when nothing happens (a tick would dirty pages in every
// clone). Descriptors are watched edge-triggered for reading and writing: a sink works until EAGAIN.
//
// A sink that is destroyed calls forget() first: what the batch that is being worked off still holds for it is then dropped.
// A sink must not destroy itself in its own call, but be destroyed in the after-batch function.
class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create();

  Status add(int descriptor, EventSink& sink);            // edge-triggered, in and out
  Status add_level(int descriptor, EventSink& sink);      // level-triggered, in only
  Status hand_over(int descriptor, EventSink& new_sink);  // reports present readiness again
  void remove(int descriptor);                            // before it is closed

  void again(EventSink& sink);   // another turn after the other sinks have had theirs
  void forget(EventSink& sink);  // takes such a turn back, and what was reported but not told yet

  void arm(TimerSink& sink, SteadyTime at);  // once; replaces an earlier one
  void disarm(TimerSink& sink);

  void after_batch(std::function<void()> function) { after_batch_ = std::move(function); }
  [[noreturn]] void run();

 private:
  explicit Loop(UniqueFd epoll) : epoll_(std::move(epoll)) {}
  Status control(int operation, int descriptor, std::uint32_t events, EventSink& sink);
  int timeout_ms() const;
  void fire_timers();

  UniqueFd epoll_;
  std::vector<EventSink*> again_;
  std::vector<std::pair<EventSink*, std::uint32_t>> batch_;  // what is being worked off; null for a sink that is gone
  std::set<std::pair<SteadyTime, TimerSink*>> timers_;
  std::function<void()> after_batch_;
};

}  // namespace dormouse::agent
