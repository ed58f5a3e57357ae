// SPDX-License-Identifier: Apache-2.0

#include "control/timers.h"

namespace dormouse::control {

Timers::Timers(Clock& clock) : clock_(clock), thread_([this] { run(); }) {}

Timers::~Timers() { stop(); }

Timers::Id Timers::at(SteadyTime when, std::function<void()> function) {
  const std::lock_guard lock(mutex_);
  const Id id = ++last_id_;
  functions_.emplace(std::pair(when, id), std::move(function));
  times_.emplace(id, when);
  changed_.notify_all();
  return id;
}

void Timers::cancel(Id id) {
  const std::lock_guard lock(mutex_);
  const auto found = times_.find(id);
  if (found != times_.end()) {
    functions_.erase({found->second, id});
    times_.erase(found);
  }
}

void Timers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Timers::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (functions_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = functions_.begin();
    if (first->first.first > clock_.steady()) {
      clock_.wait_until(changed_, lock, first->first.first);
      continue;
    }
    const auto function = std::move(first->second);
    times_.erase(first->first.second);
    functions_.erase(first);
    lock.unlock();
    function();
    lock.lock();
  }
}

}  // namespace dormouse::control
