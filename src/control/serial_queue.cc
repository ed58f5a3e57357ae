// SPDX-License-Identifier: Apache-2.0

#include "control/serial_queue.h"

#include <utility>

namespace dormouse::control {

std::shared_ptr<SerialQueue> SerialQueue::create(os::WorkerPool& pool) {
  return std::shared_ptr<SerialQueue>(new SerialQueue(pool));
}

bool SerialQueue::post(Event event) {
  const std::lock_guard lock(mutex_);
  if (!working_) {
    if (!pool_.post([self = shared_from_this()] { self->work(); })) {
      return false;
    }
    working_ = true;
  }
  events_.push_back(std::move(event));
  return true;
}

void SerialQueue::work() {
  std::unique_lock lock(mutex_);
  while (!events_.empty()) {
    {
      const Event event = std::move(events_.front());
      events_.pop_front();
      lock.unlock();
      event();
    }
    lock.lock();
  }
  working_ = false;
}

}  // namespace dormouse::control
