// SPDX-License-Identifier: Apache-2.0
//
// Includes Asio: to be included by sources and private headers only.

#pragma once

#include <cassert>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/log.h"

namespace dormouse::os {

// The coroutines that one object has started: none outlives the object, because the object waits for when_empty().
//
// A group does not end its tasks; their owner does, by closing what they wait for. An exception that leaves a task is
// logged. On one I/O thread only.
class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~TaskGroup() { assert(size_ == 0); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(std::string name, boost::asio::awaitable<void> task) {
    ++size_;
    boost::asio::co_spawn(executor_, std::move(task), [this, task_name = std::move(name)](std::exception_ptr error) {
      log_failure(task_name, error);
      ended();
    });
  }

  std::size_t size() const { return size_; }

  // Calls `action` once, when no task is left: at once if that is so now. It may destroy the group.
  void when_empty(std::function<void()> action) {
    assert(!when_empty_);
    if (size_ == 0) {
      action();
    } else {
      when_empty_ = std::move(action);
    }
  }

 private:
  static void log_failure(const std::string& name, const std::exception_ptr& error) {
    if (!error) {
      return;
    }
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      log::error("a task ended with an exception", {{"task", name}, {"what", exception.what()}});
    }
  }

  void ended() {
    if (--size_ == 0 && when_empty_) {
      std::exchange(when_empty_, nullptr)();
    }
  }

  boost::asio::any_io_executor executor_;
  std::size_t size_ = 0;
  std::function<void()> when_empty_;
};

}  // namespace dormouse::os
