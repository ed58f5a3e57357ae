// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "telemetry/metrics.h"
#include "telemetry/span_sink.h"
#include "tracing/trace.h"

namespace dormouse::telemetry {

// What an operation is and does.
struct Subject {
  const char* operation = "";  // "launch"; lives for ever, one of few
  std::string image;           // its name
  std::string account;
  std::string microvm_id;  // for traces; never a label
};

// An operation as it is remembered.
struct OperationRecord {
  Subject subject;
  tracing::TraceParent position;
  std::uint64_t parent_span = 0;
  WallTime begin;
  std::optional<std::chrono::nanoseconds> duration;    // nothing: under way
  std::optional<std::chrono::nanoseconds> first_byte;  // since the begin
  std::string outcome;
  std::vector<tracing::SpanRecord> spans;  // in the order in which they ended
  std::uint64_t spans_left_out = 0;
};

class RecordedOperation;

// Where metrics, recent operations and traces come together: one a daemon, handed to whoever needs it.
//
// A span that ends is observed in a histogram, remembered with its operation, and given to `sink` if there is one and the
// trace is sampled: a microsecond in all, without I/O. Without a Telemetry everything takes a null pointer and costs nothing.
//
// Thread-safe. Outlives every Trace and Span.
class Telemetry {
 public:
  static constexpr std::size_t kSpansMax = 64;  // remembered of one operation

  struct Options {
    std::size_t images_max = 50;        // values of the label `image`; more are "other"
    std::size_t operations_kept = 200;  // of each kind
  };

  Telemetry(const Clock& clock, Options options, SpanSink* sink = nullptr);
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  Metrics& metrics() { return metrics_; }
  const Clock& clock() const { return clock_; }
  bool exporting() const { return sink_ != nullptr; }

  // A request from outside, with the value of its `traceparent` if it has one. One that is none begins a new trace.
  tracing::Cause receive(std::string_view traceparent);
  // That request was answered.
  void answered(const tracing::Cause& cause,
                std::string name,
                std::string outcome,
                std::vector<std::pair<std::string, std::string>> attributes);

  // An operation begins: when its cause arrived, or now.
  tracing::Trace begin(Subject subject, const tracing::Cause& cause);

  // The latest operations of this kind (empty: of all) and account, the newest first.
  std::vector<OperationRecord> recent(std::string_view operation, std::string_view account, std::size_t limit) const;

  // `collector` is called before each rendering, one at a time: for what is read rather than counted. Before the first
  // rendering.
  void on_render(std::function<void(Metrics&)> collector) { collectors_.push_back(std::move(collector)); }
  std::string render();

 private:
  friend class RecordedOperation;

  std::uint64_t next_id();
  void ended(const std::shared_ptr<RecordedOperation>& operation);
  void give(FinishedSpan span);

  const Clock& clock_;
  const Options options_;
  SpanSink* const sink_;
  Metrics metrics_;
  std::atomic<std::uint64_t> ids_;
  std::vector<std::function<void(Metrics&)>> collectors_;
  std::mutex rendering_;

  mutable std::mutex mutex_;
  std::map<std::string_view, std::deque<std::shared_ptr<RecordedOperation>>>
      recent_;  // guarded by mutex_; the newest last
};

// As Telemetry::begin(), where there may be none.
inline tracing::Trace begin(Telemetry* telemetry, Subject subject, const tracing::Cause& cause) {
  return telemetry ? telemetry->begin(std::move(subject), cause) : tracing::Trace();
}

}  // namespace dormouse::telemetry
