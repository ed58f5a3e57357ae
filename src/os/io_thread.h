// SPDX-License-Identifier: Apache-2.0
//
// Includes Asio: to be included by sources and private headers only.

#pragma once

#include <future>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace dormouse::os {

// One thread that runs an io_context: what is posted to it never runs concurrently, so nothing on it needs a lock.
//
// The thread inherits the namespaces and the signal mask of the thread that constructs it; all signals are blocked in it.
// Destroying joins; the owner first ends what it had started (TaskGroup), because a task left over is a task never ended.
class IoThread {
 public:
  explicit IoThread(const std::string& name);  // name: 15 bytes are shown by tools. Throws std::system_error
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  boost::asio::io_context& context() { return context_; }
  bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs `action` on the thread and waits for its result. Not to be called on the thread itself.
  template <typename Action>
  std::invoke_result_t<Action> run(Action action) {
    std::packaged_task<std::invoke_result_t<Action>()> task(std::move(action));
    auto result = task.get_future();
    boost::asio::post(context_, [&task] { task(); });
    return result.get();
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace dormouse::os
