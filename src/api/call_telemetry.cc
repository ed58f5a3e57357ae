// SPDX-License-Identifier: Apache-2.0

#include "api/call_telemetry.h"

#include <chrono>

#include "api/operations.h"

namespace dormouse::api {
namespace {

// The error's name; a header may have more behind a colon.
std::string_view reason_of(const net::Response& response) {
  const std::string_view type = response.headers.find("x-amzn-errortype").value_or("unnamed");
  return type.substr(0, type.find(':'));
}

}  // namespace

CallTelemetry::CallTelemetry(telemetry::Telemetry* telemetry, const net::RequestHead& head, std::string_view service)
    : telemetry_(telemetry) {
  if (telemetry_ == nullptr) {
    return;
  }
  cause_ = telemetry_->receive(head.headers.find("traceparent").value_or(""));
  operation_ = service;
  if (service == "lambda") {
    const auto found = route(head.method, head.path);
    operation_ = found ? std::string(found->operation->name) : "unknown";
  }
}

void CallTelemetry::answered(const net::Response& response) const {
  if (telemetry_ == nullptr) {
    return;
  }
  const std::string status = std::to_string(response.status);
  const std::chrono::duration<double> took = telemetry_->clock().steady() - cause_.arrived;
  telemetry::Metrics& metrics = telemetry_->metrics();
  metrics.api_requests.observe({operation_, status}, took.count());
  if (response.status >= 400) {
    metrics.refusals.add({"api", operation_, reason_of(response), ""});
  }
  const std::string outcome(response.status < 400 ? tracing::kOk : reason_of(response));
  telemetry_->answered(cause_, operation_, outcome, {{"http.response.status_code", status}});
}

}  // namespace dormouse::api
