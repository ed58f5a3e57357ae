// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "tracing/trace.h"

namespace dormouse::os {

// Asks blocking work to stop. Copies share one flag. Thread-safe.
//
// The flag is an eventfd that stays readable once set, so that a poll() can wait for it beside its own descriptor.
class Cancellation {
 public:
  Cancellation();  // throws std::system_error when no descriptor can be had
  void cancel() const;
  bool cancelled() const;
  int descriptor() const { return event_->get(); }  // readable once cancelled

 private:
  std::shared_ptr<const UniqueFd> event_;
};

// How long blocking work may take and who may interrupt it: every blocking call of this program takes one.
class Context {
 public:
  Context(Cancellation cancellation, SteadyTime deadline)
      : cancellation_(std::move(cancellation)), deadline_(deadline) {}
  // A context that nobody cancels.
  static Context with_timeout(std::chrono::milliseconds timeout);

  // The same context, ending after `timeout` at the latest.
  Context within(std::chrono::milliseconds timeout) const;
  // The same context, for work at this place in a trace.
  Context traced(tracing::Trace trace) const;

  SteadyTime deadline() const { return deadline_; }
  std::chrono::milliseconds remaining() const;  // never negative
  const Cancellation& cancellation() const { return cancellation_; }
  const tracing::Trace& trace() const { return trace_; }  // empty unless traced() was called

  // kCancelled or kDeadlineExceeded once the work must end; `doing` names it.
  Status check(std::string_view doing) const;

  // Waits for `duration`, or less when the context ends first: kCancelled, kDeadlineExceeded.
  Status pause(std::chrono::milliseconds duration, std::string_view doing) const;

  // Waits until `descriptor` has one of `poll_events` (poll(2)), which are returned. kCancelled, kDeadlineExceeded.
  Result<short> wait(int descriptor, short poll_events, std::string_view doing) const;

 private:
  Cancellation cancellation_;
  SteadyTime deadline_;
  tracing::Trace trace_;
};

}  // namespace dormouse::os
