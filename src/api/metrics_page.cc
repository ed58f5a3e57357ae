// SPDX-License-Identifier: Apache-2.0

#include "api/metrics_page.h"

namespace dormouse::api {

net::Response metrics_page(telemetry::Telemetry& telemetry) {
  net::Response response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = telemetry.render();
  return response;
}

tl::expected<std::unique_ptr<net::Exchange>, net::Response> MetricsHandler::begin(const net::RequestHead& head) {
  if (head.path != "/metrics") {
    return net::refuse(net::json_message(404, "Only /metrics is here"));
  }
  if (head.method != "GET" && head.method != "HEAD") {
    return net::refuse(net::json_message(405, "/metrics answers GET"));
  }
  return net::refuse(metrics_page(telemetry_));
}

}  // namespace dormouse::api
