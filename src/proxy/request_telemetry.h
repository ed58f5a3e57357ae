// SPDX-License-Identifier: Apache-2.0
//
// Private to proxy/: includes Beast.

#pragma once

#include <string>

#include "control/microvms.h"
#include "proxy/endpoint_backend.h"
#include "proxy/endpoint_rules.h"
#include "telemetry/telemetry.h"

namespace dormouse::proxy {

// What telemetry is told about one request at the endpoint. The steps of the first request after a launch or a wake belong to
// that operation. Without a Telemetry it does nothing. One thread at a time.
class RequestTelemetry {
 public:
  void begin(telemetry::Telemetry* telemetry, const RequestHeader& header);  // the header is there
  void admitted(const EndpointBackend::Target& target);

  // Where spans are exported this program takes part in the trace: the application gets the span of this request as its
  // parent (W3C Trace Context section 2.3). Else the header passes as it came.
  void propagate(RequestHeader& header) const;

  void acquired(const control::Lease::Origin& origin);
  void dialled(bool succeeded);
  void answered(unsigned status);  // the header of the answer was sent
  void refused(const Refusal& refusal);

  const tracing::Cause& cause() const { return cause_; }

 private:
  void finish(unsigned status);

  telemetry::Telemetry* telemetry_ = nullptr;
  tracing::Cause cause_;
  std::string image_;  // empty before admitted()
  std::string image_label_;
  control::Lease::Origin origin_;
  tracing::Span step_;
};

}  // namespace dormouse::proxy
