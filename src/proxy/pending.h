// SPDX-License-Identifier: Apache-2.0
//
// Private to proxy/: includes Asio.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace dormouse::proxy {

// A value that will come once, and one coroutine that waits for it. On one I/O thread only.
template <typename T>
class Pending {
 public:
  explicit Pending(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  void set(T value) {
    value_ = std::move(value);
    timer_.cancel();
  }
  void cancel() {
    cancelled_ = true;
    timer_.cancel();
  }

  // Nothing when it has not come within the timeout or was cancelled.
  static boost::asio::awaitable<std::optional<T>> wait(std::shared_ptr<Pending> self,
                                                       std::chrono::milliseconds timeout) {
    if (!self->value_ && !self->cancelled_) {
      self->timer_.expires_after(timeout);
      co_await self->timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    co_return std::move(self->value_);
  }

 private:
  boost::asio::steady_timer timer_;
  std::optional<T> value_;
  bool cancelled_ = false;
};

// The way back onto an I/O thread for callbacks that may come after the thread has ended: those are dropped. Thread-safe.
class Mailbox {
 public:
  explicit Mailbox(boost::asio::io_context& context) : context_(&context) {}

  void post(std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    if (context_ != nullptr) {
      boost::asio::post(*context_, std::move(action));
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

 private:
  std::mutex mutex_;
  boost::asio::io_context* context_;  // guarded by mutex_; null once closed
};

}  // namespace dormouse::proxy
