// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "net/http.h"
#include "telemetry/telemetry.h"

namespace dormouse::api {

// The answer to GET /metrics. Blocks as the collectors do.
net::Response metrics_page(telemetry::Telemetry& telemetry);

// A listener of its own for it: everything else is 404.
class MetricsHandler final : public net::Handler {
 public:
  explicit MetricsHandler(telemetry::Telemetry& telemetry) : telemetry_(telemetry) {}
  tl::expected<std::unique_ptr<net::Exchange>, net::Response> begin(const net::RequestHead& head) override;

 private:
  telemetry::Telemetry& telemetry_;
};

}  // namespace dormouse::api
