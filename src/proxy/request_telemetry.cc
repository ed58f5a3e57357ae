// SPDX-License-Identifier: Apache-2.0

#include "proxy/request_telemetry.h"

#include <chrono>
#include <utility>

namespace dormouse::proxy {
namespace {

constexpr const char* kTraceparent = "traceparent";

// The header's value; empty when there is none, or more than one.
std::string_view only(const Fields& fields, const char* name) {
  const auto [first, last] = fields.equal_range(name);
  if (first == last || std::next(first) != last) {
    return {};
  }
  return {first->value().data(), first->value().size()};
}

std::string_view reason_of(const Refusal& refusal) {
  switch (refusal.status) {
    case 400: return "bad_request";
    case 403: return "denied";
    case 429: return "too_many_requests";
    default: return "bad_gateway";
  }
}

}  // namespace

void RequestTelemetry::begin(telemetry::Telemetry* telemetry, const RequestHeader& header) {
  telemetry_ = telemetry;
  if (telemetry_ != nullptr) {
    cause_ = telemetry_->receive(only(header, kTraceparent));
  }
}

void RequestTelemetry::admitted(const EndpointBackend::Target& target) {
  if (telemetry_ != nullptr) {
    image_ = target.image;
    image_label_ = telemetry_->metrics().image_label(image_);
  }
}

void RequestTelemetry::propagate(RequestHeader& header) const {
  if (telemetry_ == nullptr || !telemetry_->exporting()) {
    return;
  }
  if (!cause_.caller) {
    header.erase("tracestate");  // it belongs to a trace that is not continued
  }
  header.set(kTraceparent, tracing::format_traceparent(cause_.position));
}

void RequestTelemetry::acquired(const control::Lease::Origin& origin) {
  origin_ = origin;
  step_ = origin_.trace.span("dial");
}

void RequestTelemetry::dialled(bool succeeded) {
  step_.end(succeeded ? tracing::kOk : tracing::kFailed);
  if (succeeded) {
    step_ = origin_.trace.span("first_byte");
  }
}

void RequestTelemetry::answered(unsigned status) {
  step_.succeed();
  if (origin_.waited) {
    origin_.trace.first_byte();
  }
  origin_ = {};
  if (telemetry_ != nullptr) {
    const std::chrono::duration<double> took = telemetry_->clock().steady() - cause_.arrived;
    telemetry_->metrics().endpoint_answers.observe({image_label_}, took.count());
  }
  finish(status);
}

void RequestTelemetry::refused(const Refusal& refusal) {
  if (telemetry_ != nullptr) {
    telemetry_->metrics().refusals.add({"endpoint", "request", reason_of(refusal), image_label_});
  }
  finish(refusal.status);
}

void RequestTelemetry::finish(unsigned status) {
  if (telemetry_ == nullptr) {
    return;
  }
  const std::string status_class =
      std::to_string(status / 100) + "xx";  // applications choose codes: too many for a label
  telemetry_->metrics().endpoint_requests.add({status_class, image_label_});
  telemetry_->answered(cause_,
                       "request",
                       std::string(status < 500 ? tracing::kOk : tracing::kFailed),
                       {{"http.response.status_code", std::to_string(status)}, {"dormouse.image", image_}});
}

}  // namespace dormouse::proxy
