// SPDX-License-Identifier: Apache-2.0
//
// Private to telemetry/.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/telemetry.h"

namespace dormouse::telemetry {

// One operation and the spans that have ended so far. Thread-safe.
class RecordedOperation final : public tracing::Operation, public std::enable_shared_from_this<RecordedOperation> {
 public:
  RecordedOperation(Telemetry& telemetry, Subject subject, const tracing::Cause& cause);
  ~RecordedOperation() override;

  SteadyTime now() const override { return telemetry_.clock().steady(); }
  SteadyTime begin() const override { return begin_; }
  std::uint64_t next_id() override { return telemetry_.next_id(); }
  tracing::TraceParent position() const override { return position_; }
  void add(const tracing::SpanRecord& span) override;
  void count_bytes(tracing::Direction direction, std::uint64_t bytes) override;
  void count_slow_path(const char* reason) override;
  void first_byte() override;
  void finish(std::string_view outcome) override;

  const Subject& subject() const { return subject_; }
  OperationRecord record() const;

 private:
  std::int64_t unix_ns(std::chrono::nanoseconds since_begin) const;
  void observe_end(std::string_view outcome, std::chrono::nanoseconds duration);
  FinishedSpan finished(const tracing::SpanRecord& span) const;

  // Constant.
  Telemetry& telemetry_;
  const SteadyTime begin_;
  const WallTime wall_begin_;
  const Subject subject_;
  const std::string image_;  // as a label
  const tracing::TraceParent position_;
  const std::uint64_t parent_span_;

  mutable std::mutex mutex_;
  std::vector<tracing::SpanRecord> spans_;  // guarded by mutex_, as is everything below
  std::uint64_t left_out_ = 0;
  std::string_view outcome_;
  std::optional<std::chrono::nanoseconds> duration_;
  std::optional<std::chrono::nanoseconds> first_byte_;
};

}  // namespace dormouse::telemetry
