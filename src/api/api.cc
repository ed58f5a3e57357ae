// SPDX-License-Identifier: Apache-2.0

#include "api/api.h"

#include <span>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/call_telemetry.h"
#include "api/metrics_page.h"
#include "api/operations.h"
#include "api/refusal.h"
#include "api/unserved.h"
#include "aws/digest.h"
#include "aws/signature_check.h"
#include "base/uuid.h"

namespace dormouse::api {
namespace {

// What clients sign requests to `iam` and to the global `sts` for, wherever they are.
constexpr const char* kGlobalRegion = "us-east-1";

aws::WireRequest wire_request(const net::RequestHead& head) {
  return {
      head.method, head.path, head.query, std::span<const aws::HeaderField>(head.headers.begin(), head.headers.end())};
}

net::Response with_request_id(net::Response response, const std::string& request_id) {
  response.headers.set("x-amzn-requestid", request_id);
  return response;
}

net::Response auth_response(const std::string& service,
                            const aws::AuthFailure& failure,
                            const std::string& request_id) {
  const aws::WireError error = aws::to_rest_json_error(failure);
  if (QueryService::serves(service)) {
    return query_auth_error(error, service, request_id);
  }
  if (service == "logs") {
    return to_json11_response(refusal(error.status, error.code, error.message));
  }
  return to_response(refusal(error.status, error.code, error.message));
}

net::Response too_large(const net::RequestHead& head) {
  const auto found = route(head.method, head.path);
  const std::string operation = found ? fmt::format(" for the {} operation", found->operation->name) : "";
  return to_response(refusal(413,
                             "RequestEntityTooLargeException",
                             fmt::format("Request must be smaller than {} bytes{}", Api::kBodyBytesMax, operation)));
}

Backend backend_of(const Api::Parts& parts, PageTokens& pages, control::RateLimiter& rates, const std::string& region) {
  return {parts.images,
          parts.microvms,
          parts.checkpoints,
          parts.connectors,
          parts.accounts,
          parts.roles,
          parts.quotas,
          rates,
          parts.tokens,
          pages,
          parts.clock,
          region,
          parts.storage,
          parts.telemetry};
}

}  // namespace

// A request whose signature is good as far as its head shows: takes the body, then answers.
class Api::SignedExchange final : public net::Exchange {
 public:
  SignedExchange(Api& api, const net::RequestHead& head, aws::SignatureCheck check, std::string request_id)
      : api_(api),
        head_(head),
        check_(std::move(check)),
        request_id_(std::move(request_id)),
        told_(api.parts_.telemetry, head, check_.service()) {}

  tl::expected<void, net::Response> on_body(std::span<const std::byte> piece) override {
    if (piece.size() > kBodyBytesMax - body_.size()) {
      return net::refuse(with_request_id(too_large(head_), request_id_));
    }
    body_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }

  net::Response finish() override {
    auto checked = check_.check_body(aws::sha256_hex(body_));
    net::Response response = checked ? answer() : auth_response(check_.service(), checked.error(), request_id_);
    told_.answered(response);
    return with_request_id(std::move(response), request_id_);
  }

 private:
  net::Response answer() {
    if (QueryService::serves(check_.service())) {
      return api_.query_.handle({check_.service(), head_.query, body_, check_.caller(), request_id_});
    }
    if (check_.service() == "logs") {
      return api_.logs_.handle(
          {head_.headers.find("X-Amz-Target").value_or(""), body_, check_.caller().account, request_id_});
    }
    return api_.json_.handle(
        {head_.method, head_.path, head_.query, body_, check_.caller(), request_id_, told_.cause()});
  }

  Api& api_;
  const net::RequestHead& head_;
  aws::SignatureCheck check_;
  const std::string request_id_;
  CallTelemetry told_;
  std::string body_;
};

Api::Api(Parts parts, Options options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      pages_(options_.page_token_key.empty() ? make_uuid() + make_uuid() : options_.page_token_key, parts_.clock),
      rates_(parts_.clock, parts_.quotas),
      constraints_({{"RunHookPayload", options_.run_hook_payload_bytes_max}}),
      json_(backend_of(parts_, pages_, rates_, options_.region), constraints_),
      query_(backend_of(parts_, pages_, rates_, options_.region), constraints_),
      logs_({parts_.logs, parts_.log_writer, rates_, pages_, options_.region}, constraints_) {}

tl::expected<std::unique_ptr<net::Exchange>, net::Response> Api::begin(const net::RequestHead& head) {
  const std::string request_id = make_uuid();
  if (head.method == "GET" && head.path == "/healthz") {
    return net::refuse(with_request_id(health(), request_id));
  }
  if (options_.metrics && parts_.telemetry && head.method == "GET" && head.path == "/metrics") {
    return net::refuse(with_request_id(metrics_page(*parts_.telemetry), request_id));
  }
  const auto authorization = aws::parse_authorization(wire_request(head));
  if (!authorization) {
    return net::refuse(with_request_id(auth_response("lambda", authorization.error(), request_id), request_id));
  }
  const std::string& service = authorization->scope.service;
  if (service == "s3") {
    return parts_.s3.begin(head);
  }
  if (service != "lambda" && service != "logs" && !QueryService::serves(service)) {
    return net::refuse(
        with_request_id(answer_unserved(service, options_.region, head.headers, request_id), request_id));
  }
  auto exchange = begin_signed(head, authorization->scope, request_id);
  if (!exchange) {
    CallTelemetry(parts_.telemetry, head, service).answered(exchange.error());
    return net::refuse(with_request_id(std::move(exchange).error(), request_id));
  }
  return exchange;
}

tl::expected<std::unique_ptr<net::Exchange>, net::Response> Api::begin_signed(const net::RequestHead& head,
                                                                              const aws::CredentialScope& scope,
                                                                              const std::string& request_id) {
  aws::CheckOptions options;
  options.region = options_.region;
  if (QueryService::serves(scope.service) && scope.region == kGlobalRegion) {
    options.region = kGlobalRegion;
  }
  auto check = aws::SignatureCheck::begin(wire_request(head), parts_.credentials, options, parts_.clock.wall());
  if (!check) {
    return net::refuse(auth_response(scope.service, check.error(), request_id));
  }
  if (aws::is_streaming(check->payload_mode())) {
    return net::refuse(
        to_response(validation("Streaming payloads are taken by s3 alone; send x-amz-content-sha256 with "
                               "the hash of the body")));
  }
  if (head.content_length.value_or(0) > kBodyBytesMax) {
    return net::refuse(too_large(head));
  }
  return std::make_unique<SignedExchange>(*this, head, *std::move(check), request_id);
}

net::Response Api::health() const {
  const std::optional<std::string> reason = parts_.not_ready();
  boost::json::object body;
  body["status"] = reason ? "unavailable" : "ok";
  if (reason) {
    body["reason"] = *reason;
  }
  net::Response response;
  response.status = reason ? 503 : 200;
  response.headers.add("Content-Type", "application/json");
  response.body = boost::json::serialize(body);
  return response;
}

}  // namespace dormouse::api
