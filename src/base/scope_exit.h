// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <utility>

namespace dormouse {

// Runs `action` when the scope is left, unless dismissed: for undoing a step whose successors may fail.
template <typename Action>
class [[nodiscard]] ScopeExit {
 public:
  explicit ScopeExit(Action action) : action_(std::move(action)) {}
  ~ScopeExit() {
    if (armed_) {
      action_();
    }
  }
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;

  void dismiss() { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace dormouse
