// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "os/worker_pool.h"

namespace dormouse::control {

// Runs events one after the other, in the order in which they were posted, on threads of a pool: by one worker at a time,
// and by none while there are none. Made by create(); lives until its last event has run.
//
// Thread-safe. An event may post to its own queue.
class SerialQueue : public std::enable_shared_from_this<SerialQueue> {
 public:
  using Event = std::function<void()>;

  static std::shared_ptr<SerialQueue> create(os::WorkerPool& pool);

  // False when the pool takes no more work: the event will not run.
  bool post(Event event);

 private:
  explicit SerialQueue(os::WorkerPool& pool) : pool_(pool) {}
  void work();

  os::WorkerPool& pool_;  // outlives the queue

  std::mutex mutex_;
  std::deque<Event> events_;  // guarded by mutex_
  bool working_ = false;      // guarded by mutex_; a job of this queue is posted or runs
};

}  // namespace dormouse::control
