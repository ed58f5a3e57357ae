// SPDX-License-Identifier: Apache-2.0

#include "otlp/encoding.h"

#include <string_view>

#include <boost/json.hpp>

#include "tracing/trace.h"

namespace dormouse::otlp {
namespace {

namespace json = boost::json;

constexpr int kKindInternal = 1;  // Span.SpanKind
constexpr int kKindServer = 2;
constexpr int kStatusOk = 1;  // Status.StatusCode
constexpr int kStatusError = 2;

json::object attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", json::object{{"stringValue", value}}}};
}

json::object encode_span(const telemetry::FinishedSpan& span) {
  json::object out;
  out["traceId"] = tracing::format_trace_id(span.position);
  out["spanId"] = tracing::format_span_id(span.position.span);
  if (span.parent_span != 0) {
    out["parentSpanId"] = tracing::format_span_id(span.parent_span);
  }
  out["name"] = span.name;
  out["kind"] = span.is_server ? kKindServer : kKindInternal;
  out["startTimeUnixNano"] = std::to_string(span.begin_unix_ns);
  out["endTimeUnixNano"] = std::to_string(span.end_unix_ns);
  json::array& attributes = out["attributes"].emplace_array();
  for (const auto& [key, value] : span.attributes) {
    attributes.push_back(attribute(key, value));
  }
  json::object& status = out["status"].emplace_object();
  if (span.outcome == tracing::kOk) {
    status["code"] = kStatusOk;
  } else {
    status["code"] = kStatusError;
    status["message"] = span.outcome;
  }
  return out;
}

}  // namespace

std::string encode(std::span<const telemetry::FinishedSpan> spans, const std::string& service_version) {
  json::array encoded;
  encoded.reserve(spans.size());
  for (const telemetry::FinishedSpan& span : spans) {
    encoded.push_back(encode_span(span));
  }
  const json::array resource = {attribute("service.name", "dormoused"), attribute("service.version", service_version)};
  const json::object scope_spans = {{"scope", json::object{{"name", "dormouse"}, {"version", service_version}}},
                                    {"spans", std::move(encoded)}};
  const json::object resource_spans = {{"resource", json::object{{"attributes", resource}}},
                                       {"scopeSpans", json::array{scope_spans}}};
  const json::object request = {{"resourceSpans", json::array{resource_spans}}};
  return json::serialize(request);
}

}  // namespace dormouse::otlp
