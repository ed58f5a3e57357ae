// SPDX-License-Identifier: Apache-2.0

#include "api/json_service.h"

#include <exception>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/decode.h"
#include "api/encode.h"
#include "api/operations.h"
#include "api/refusal.h"
#include "base/log.h"

namespace dormouse::api {

tl::expected<net::Response, Refusal> JsonService::answer(const Request& request) {
  const auto found = route(request.method, request.path);
  if (!found) {
    return deny(found.error());
  }
  const Operation& operation = *found->operation;
  const Handler handler = find_handler(operation.name);
  if (handler == nullptr) {
    return deny(refusal(501, "NotImplemented", fmt::format("{} is not available yet", operation.name)));
  }
  if (const auto wait = backend_.rates.take(request.caller.account, operation.name)) {
    return deny(
        service_refusal({control::ServiceErrorKind::kThrottling, "Rate exceeded", wait}, operation.protocol->errors));
  }
  const auto input = decode_input(*found, request.query, request.body);
  if (!input) {
    return deny(input.error());
  }
  if (const auto violations = constraints_.check(*operation.input, *input)) {
    return deny(validation(*violations));
  }
  const auto output = handler(backend_, Call{operation, request.caller.account, *input, request.caller, request.cause});
  if (!output) {
    return deny(service_refusal(output.error(), operation.protocol->errors));
  }
  net::Response response;
  response.status = operation.status;
  if (operation.output != nullptr) {
    response.headers.add("Content-Type", "application/json");
  }
  response.body = encode_output(operation, *output);
  return response;
}

net::Response JsonService::handle(const Request& request) {
  try {
    auto response = answer(request);
    return response ? *std::move(response) : to_response(response.error());
  } catch (const std::exception& failure) {
    log::error("request failed",
               {{"method", std::string(request.method)},
                {"path", std::string(request.path)},
                {"request", request.request_id},
                {"reason", failure.what()}});
    const auto found = route(request.method, request.path);
    const ErrorDialect dialect = found ? found->operation->protocol->errors : ErrorDialect::kMicrovms;
    return to_response(
        service_refusal({control::ServiceErrorKind::kInternalServer,
                         "An internal error occurred; the daemon's log has the reason under this request's id",
                         std::nullopt},
                        dialect));
  }
}

}  // namespace dormouse::api
