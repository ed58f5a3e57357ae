// SPDX-License-Identifier: Apache-2.0

#include "api/log_service.h"

#include <exception>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/decode.h"
#include "api/encode.h"
#include "api/log_handlers.h"
#include "base/log.h"

namespace dormouse::api {
namespace {

constexpr std::string_view kTargetPrefix = "Logs_20140328.";
constexpr const char* kContentType = "application/x-amz-json-1.1";

const Operation* find_operation(std::string_view target) {
  if (!target.starts_with(kTargetPrefix)) {
    return nullptr;
  }
  for (const Operation& operation : log_operations()) {
    if (operation.name == target.substr(kTargetPrefix.size())) {
      return &operation;
    }
  }
  return nullptr;
}

Refusal unknown_operation(std::string_view target) {
  std::vector<std::string_view> names;
  for (const Operation& operation : log_operations()) {
    names.push_back(operation.name);
  }
  return refusal(400,
                 "UnknownOperationException",
                 fmt::format("Dormouse's logs have no operation '{}'. They have: {}", target, fmt::join(names, ", ")));
}

}  // namespace

net::Response to_json11_response(const Refusal& refusal) {
  net::Response response;
  response.status = refusal.status;
  response.headers.add("Content-Type", kContentType);
  if (refusal.retry_after_seconds) {
    response.headers.add("Retry-After", std::to_string(*refusal.retry_after_seconds));
  }
  // Every refusal's body is an object with a member at least.
  response.body = fmt::format(
      "{{\"__type\":{},{}", boost::json::serialize(boost::json::value(refusal.type)), refusal.body.substr(1));
  return response;
}

tl::expected<net::Response, Refusal> LogService::answer(const Request& request) {
  const Operation* const operation = find_operation(request.target);
  if (operation == nullptr) {
    return deny(unknown_operation(request.target));
  }
  if (const auto wait = backend_.rates.take(request.account, operation->name)) {
    return deny(
        service_refusal({control::ServiceErrorKind::kThrottling, "Rate exceeded", wait}, operation->protocol->errors));
  }
  const auto input = decode_input(Route{operation, {}}, "", request.body);
  if (!input) {
    return deny(input.error());
  }
  if (const auto violations = constraints_.check(*operation->input, *input)) {
    return deny(refusal(400, "InvalidParameterException", *violations));
  }
  // A stream is named in the description of a VM that was just launched. What cannot be stored now the writer says.
  (void)backend_.writer.make_streams();
  const auto output = find_log_handler(operation->name)(backend_, LogCall{*operation, request.account, *input});
  if (!output) {
    return deny(service_refusal(output.error(), operation->protocol->errors));
  }
  net::Response response;
  response.status = operation->status;
  response.headers.add("Content-Type", kContentType);
  response.body = encode_output(*operation, *output);
  return response;
}

net::Response LogService::handle(const Request& request) {
  try {
    auto response = answer(request);
    return response ? *std::move(response) : to_json11_response(response.error());
  } catch (const std::exception& failure) {
    log::error("request failed",
               {{"target", std::string(request.target)}, {"request", request.request_id}, {"reason", failure.what()}});
    return to_json11_response(
        refusal(500,
                "ServiceUnavailableException",
                "An internal error occurred; the daemon's log has the reason under this request's id"));
  }
}

}  // namespace dormouse::api
