// SPDX-License-Identifier: Apache-2.0
//
// Where time goes: an operation (one launch, one suspension, ...) and its spans. What does the work gets a Trace, as it gets
// a deadline (os::Context carries it), and says which steps it takes; telemetry/telemetry.h says what becomes of them.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "tracing/operation.h"
#include "tracing/trace_parent.h"

namespace dormouse::tracing {

inline constexpr std::string_view kOk = "ok";
inline constexpr std::string_view kFailed = "failed";

// The outcome as a label: "ok", "deadline_exceeded", ...
std::string_view outcome_of(ErrorKind kind);
template <typename T>
std::string_view outcome_of(const Result<T>& result) {
  return result ? kOk : outcome_of(result.error().kind());
}
template <typename T, typename E>
std::string_view outcome_of(const tl::expected<T, E>& result) {
  return result ? kOk : kFailed;
}

// What an operation is done for: a call or a request that came from outside, and when it came.
struct Cause {
  TraceParent caller;    // what the client sent; empty: nothing
  TraceParent position;  // of the span that answers it; empty: there is no cause
  SteadyTime arrived{};
};

class Trace;

// One step, from its construction to end(), or to its destruction, which means that it failed. Move only; one thread at a
// time. An empty one costs nothing.
class Span {
 public:
  Span() = default;
  ~Span() { end(kFailed); }
  Span(Span&& other) noexcept = default;
  Span& operator=(Span&& other) noexcept {
    if (this != &other) {
      end(kFailed);
      operation_ = std::move(other.operation_);
      name_ = other.name_;
      id_ = other.id_;
      parent_ = other.parent_;
      begin_ = other.begin_;
    }
    return *this;
  }

  void end(std::string_view outcome);  // `outcome` lives for ever; only the first call counts
  void succeed() { end(kOk); }
  Trace within() const;  // for steps of this step

 private:
  friend class Trace;
  Span(std::shared_ptr<Operation> operation, const char* name, std::uint64_t parent, SteadyTime begin);

  std::shared_ptr<Operation> operation_;
  const char* name_ = "";
  std::uint64_t id_ = 0;
  std::uint64_t parent_ = 0;
  SteadyTime begin_{};
};

// A place in an operation's trace. A value: copies stand for the same place. Empty by default, and then nothing is recorded.
// Thread-safe. An operation whose last Trace and Span go before finish() was called has the outcome "abandoned".
class Trace {
 public:
  Trace() = default;
  explicit Trace(std::shared_ptr<Operation> operation);
  explicit operator bool() const { return operation_ != nullptr; }

  // `name` lives for ever. Steps have few names: they are labels of metrics.
  Span span(const char* name) const;
  Span span(const char* name, SteadyTime begin) const;  // of a step that began earlier

  // Runs `work`, which answers a Result, as a step.
  template <typename Work>
  auto step(const char* name, Work&& work) const {
    Span span = this->span(name);
    auto result = std::forward<Work>(work)();
    span.end(outcome_of(result));
    return result;
  }

  void count_bytes(Direction direction, std::uint64_t bytes) const;  // of memory and device state
  // `reason` lives for ever: what had not been made ahead.
  void count_slow_path(const char* reason) const;
  // The client of a request that waited for this operation was given its first byte. Only the first call counts.
  void first_byte() const;

  // The operation has ended; later spans (of the first request) still belong to it. Only the first call counts.
  void finish(std::string_view outcome) const;

  TraceParent position() const;

 private:
  friend class Span;
  Trace(std::shared_ptr<Operation> operation, std::uint64_t parent)
      : operation_(std::move(operation)), parent_(parent) {}

  std::shared_ptr<Operation> operation_;
  std::uint64_t parent_ = 0;
};

}  // namespace dormouse::tracing
