// SPDX-License-Identifier: Apache-2.0

#include "telemetry/recorded_operation.h"

#include <utility>

namespace dormouse::telemetry {
namespace {

using std::chrono::nanoseconds;
using tracing::Cause;
using tracing::SpanRecord;
using tracing::TraceParent;

constexpr std::size_t kSpansUsual = 16;

double seconds(nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// The place of a new operation: in its cause's trace, or at the top of a new one, which is recorded.
TraceParent place(std::uint64_t high, std::uint64_t low, std::uint64_t span, const Cause& cause) {
  if (cause.position) {
    return {cause.position.trace_high, cause.position.trace_low, span, cause.position.sampled};
  }
  return {high, low, span, true};
}

}  // namespace

RecordedOperation::RecordedOperation(Telemetry& telemetry, Subject subject, const Cause& cause)
    : telemetry_(telemetry),
      begin_(cause.position ? cause.arrived : telemetry_.clock().steady()),
      wall_begin_(telemetry_.clock().wall() - std::chrono::duration_cast<WallTime::duration>(now() - begin_)),
      subject_(std::move(subject)),
      image_(telemetry_.metrics().image_label(subject_.image)),
      position_(place(telemetry.next_id(), telemetry.next_id(), telemetry.next_id(), cause)),
      parent_span_(cause.position.span) {
  spans_.reserve(kSpansUsual);
}

RecordedOperation::~RecordedOperation() {
  if (!duration_) {
    observe_end("abandoned", now() - begin_);
  }
}

void RecordedOperation::count_bytes(tracing::Direction direction, std::uint64_t bytes) {
  const char* const name = direction == tracing::Direction::kRead ? "read" : "written";
  telemetry_.metrics().snapshot_bytes.add({subject_.operation, name, image_}, static_cast<double>(bytes));
}

void RecordedOperation::count_slow_path(const char* reason) {
  telemetry_.metrics().slow_paths.add({subject_.operation, reason, image_});
}

std::int64_t RecordedOperation::unix_ns(nanoseconds since_begin) const {
  return std::chrono::duration_cast<nanoseconds>(wall_begin_.time_since_epoch() + since_begin).count();
}

FinishedSpan RecordedOperation::finished(const SpanRecord& span) const {
  FinishedSpan out;
  out.name = span.name;
  out.position = position_;
  out.position.span = span.id;
  out.parent_span = span.parent;
  out.begin_unix_ns = unix_ns(span.begin);
  out.end_unix_ns = unix_ns(span.begin + span.duration);
  out.outcome = span.outcome;
  out.attributes = {{"dormouse.operation", subject_.operation}, {"dormouse.image", subject_.image}};
  if (!subject_.microvm_id.empty()) {
    out.attributes.emplace_back("dormouse.microvm", subject_.microvm_id);
  }
  return out;
}

void RecordedOperation::add(const SpanRecord& span) {
  {
    const std::lock_guard lock(mutex_);
    if (spans_.size() < Telemetry::kSpansMax) {
      spans_.push_back(span);
    } else {
      ++left_out_;
    }
  }
  telemetry_.metrics().steps.observe({subject_.operation, span.name, image_, span.outcome}, seconds(span.duration));
  if (telemetry_.exporting() && position_.sampled) {
    telemetry_.give(finished(span));
  }
}

void RecordedOperation::observe_end(std::string_view outcome, nanoseconds duration) {
  telemetry_.metrics().operations.observe({subject_.operation, image_, outcome}, seconds(duration));
  if (telemetry_.exporting() && position_.sampled) {
    telemetry_.give(finished({subject_.operation, outcome, position_.span, parent_span_, nanoseconds(0), duration}));
  }
}

void RecordedOperation::finish(std::string_view outcome) {
  const nanoseconds duration = now() - begin_;
  {
    const std::lock_guard lock(mutex_);
    if (duration_) {
      return;
    }
    duration_ = duration;
    outcome_ = outcome;
  }
  observe_end(outcome, duration);
  telemetry_.ended(shared_from_this());
}

void RecordedOperation::first_byte() {
  const nanoseconds since_begin = now() - begin_;
  {
    const std::lock_guard lock(mutex_);
    if (first_byte_) {
      return;
    }
    first_byte_ = since_begin;
  }
  telemetry_.metrics().first_bytes.observe({subject_.operation, image_}, seconds(since_begin));
}

OperationRecord RecordedOperation::record() const {
  OperationRecord record;
  record.subject = subject_;
  record.position = position_;
  record.parent_span = parent_span_;
  record.begin = wall_begin_;
  const std::lock_guard lock(mutex_);
  record.duration = duration_;
  record.first_byte = first_byte_;
  record.outcome = outcome_;
  record.spans = spans_;
  record.spans_left_out = left_out_;
  return record;
}

}  // namespace dormouse::telemetry
