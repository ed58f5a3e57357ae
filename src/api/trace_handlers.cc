// SPDX-License-Identifier: Apache-2.0

#include <chrono>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "aws/time.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

std::int64_t microseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

json::object span_members(const tracing::SpanRecord& span) {
  json::object members;
  members["name"] = span.name;
  members["spanId"] = tracing::format_span_id(span.id);
  members["parentSpanId"] = tracing::format_span_id(span.parent);
  members["offsetInMicroseconds"] = microseconds(span.begin);
  members["durationInMicroseconds"] = microseconds(span.duration);
  members["outcome"] = std::string(span.outcome);
  return members;
}

json::object trace_members(const telemetry::OperationRecord& record) {
  json::object members;
  members["operation"] = record.subject.operation;
  members["imageName"] = record.subject.image;
  if (!record.subject.microvm_id.empty()) {
    members["microvmId"] = record.subject.microvm_id;
  }
  members["traceId"] = tracing::format_trace_id(record.position);
  members["spanId"] = tracing::format_span_id(record.position.span);
  if (record.parent_span != 0) {
    members["parentSpanId"] = tracing::format_span_id(record.parent_span);
  }
  members["startedAt"] = aws::to_epoch_seconds(record.begin);
  members["durationInMicroseconds"] = microseconds(record.duration.value_or(std::chrono::nanoseconds(0)));
  if (record.first_byte) {
    members["firstByteInMicroseconds"] = microseconds(*record.first_byte);
  }
  members["outcome"] = record.outcome;
  json::array& spans = members["spans"].emplace_array();
  for (const tracing::SpanRecord& span : record.spans) {
    spans.push_back(span_members(span));
  }
  members["spansLeftOut"] = static_cast<std::int64_t>(record.spans_left_out);
  return members;
}

}  // namespace

control::Answer<json::object> list_traces(Backend& backend, const Call& call) {
  json::object members;
  json::array& traces = members["traces"].emplace_array();
  if (backend.telemetry != nullptr) {
    const std::string operation = optional_text(call.input, "operation").value_or("");
    const auto limit = static_cast<std::size_t>(call.input.at("limit").as_int64());
    for (const auto& record : backend.telemetry->recent(operation, call.account, limit)) {
      traces.push_back(trace_members(record));
    }
  }
  return members;
}

}  // namespace dormouse::api
