// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <thread>
#include <utility>

#include "base/error.h"
#include "os/context.h"
#include "os/process.h"

namespace dormouse::host {

// Ends what a guest is waited for when its process ends: it takes its network along, and a connection would never tell. One
// thread of its own, for as long as it lives; process and outer context outlive it.
class ProcessGuard {
 public:
  ProcessGuard(const os::Process& process, const os::Context& outer);
  ProcessGuard(const os::Process& process, os::Context&& outer) = delete;  // it would not outlive this
  ~ProcessGuard();
  ProcessGuard(const ProcessGuard&) = delete;
  ProcessGuard& operator=(const ProcessGuard&) = delete;

  // The outer one, which also ends when the process does.
  os::Context context() const { return os::Context(inner_, outer_.deadline()).traced(outer_.trace()); }
  bool process_ended() const { return ended_; }

  // What was waited for with that context; kUnavailable where it came to nothing because the process ended.
  template <typename T>
  Result<T> told(Result<T> result) const {
    return result || !ended_ ? std::move(result) : Result<T>(fail(ErrorKind::kUnavailable, "its VMM ended"));
  }

 private:
  void watch();

  const os::Process& process_;
  const os::Context& outer_;
  const os::Cancellation inner_;
  const os::Cancellation done_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace dormouse::host
