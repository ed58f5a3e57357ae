// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "telemetry/telemetry.h"

namespace dormouse::api {

// What telemetry is told about one call of the API: how long it took, how it was refused, and its span. Begins with its
// construction. Without a Telemetry it does nothing.
class CallTelemetry {
 public:
  CallTelemetry(telemetry::Telemetry* telemetry, const net::RequestHead& head, std::string_view service);

  const tracing::Cause& cause() const { return cause_; }
  void answered(const net::Response& response) const;

 private:
  telemetry::Telemetry* const telemetry_;
  std::string operation_;  // its name in the model; of the query protocol, the service's; "unknown"
  tracing::Cause cause_;
};

}  // namespace dormouse::api
