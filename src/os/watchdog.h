// SPDX-License-Identifier: Apache-2.0
//
// Includes Asio: to be included by sources and private headers only.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace dormouse::os {

// Calls an action when nobody has called expire_after() for the time last given there: the deadline of a peer.
//
// expire_after() is cheap enough to be called for every piece that is read: it moves the timer only when the deadline comes
// nearer. The action is called once at most, on the executor's thread, and never after stop() or destruction. On one I/O
// thread only.
class Watchdog {
 public:
  Watchdog(const boost::asio::any_io_executor& executor, std::function<void()> action)
      : state_(std::make_shared<State>(executor, std::move(action))) {}
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void expire_after(std::chrono::steady_clock::duration timeout) {
    state_->deadline = std::chrono::steady_clock::now() + timeout;
    if (state_->action && (!state_->waiting || state_->deadline < state_->timer.expiry())) {
      wait(state_);
    }
  }

  void stop() {
    state_->action = nullptr;
    state_->timer.cancel();
  }

 private:
  struct State {
    State(const boost::asio::any_io_executor& executor, std::function<void()> expired)
        : timer(executor), action(std::move(expired)) {}
    boost::asio::steady_timer timer;
    std::chrono::steady_clock::time_point deadline;
    std::function<void()> action;
    bool waiting = false;
    unsigned wait_number = 0;  // a wait that was replaced by an earlier one must do nothing
  };

  static void wait(const std::shared_ptr<State>& state) {
    state->waiting = true;
    state->timer.expires_at(state->deadline);
    const unsigned number = ++state->wait_number;
    state->timer.async_wait([state, number](const boost::system::error_code&) {
      if (number != state->wait_number || !state->action) {
        return;
      }
      state->waiting = false;
      if (std::chrono::steady_clock::now() < state->deadline) {
        wait(state);
        return;
      }
      const auto action = std::exchange(state->action, nullptr);
      action();
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace dormouse::os
