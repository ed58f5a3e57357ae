// SPDX-License-Identifier: Apache-2.0

#include "api/query_service.h"

#include <exception>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/operations.h"
#include "api/query_answer.h"
#include "api/query_form.h"
#include "base/log.h"

namespace dormouse::api {
namespace {

using control::ServiceErrorKind;

struct ErrorCode {
  ServiceErrorKind kind;
  int status;
  std::string_view code;
};

constexpr ErrorCode kErrorCodes[] = {
    {ServiceErrorKind::kValidation, 400, "ValidationError"},
    {ServiceErrorKind::kAccessDenied, 403, "AccessDenied"},
    {ServiceErrorKind::kResourceNotFound, 404, "NoSuchEntity"},
    {ServiceErrorKind::kConflict, 409, "EntityAlreadyExists"},
    {ServiceErrorKind::kDeleteConflict, 409, "DeleteConflict"},
    {ServiceErrorKind::kServiceQuotaExceeded, 409, "LimitExceeded"},
    {ServiceErrorKind::kMalformedPolicy, 400, "MalformedPolicyDocument"},
    {ServiceErrorKind::kThrottling, 400, "Throttling"},
};

const Protocol* protocol_of(std::string_view service) {
  for (const Operation* operation : query_operations()) {
    if (operation->protocol->service == service) {
      return operation->protocol;
    }
  }
  return nullptr;
}

net::Response service_error(const control::ServiceError& error, const Protocol& protocol, std::string_view request_id) {
  int status = 500;
  std::string_view code = "ServiceFailure";
  for (const ErrorCode& each : kErrorCodes) {
    if (each.kind == error.kind) {
      status = each.status;
      code = each.code;
    }
  }
  return query_error(status, code, error.message, request_id, protocol.xml_namespace);
}

net::Response unknown_action(const std::string& action, const Protocol& protocol, std::string_view request_id) {
  std::string served;
  for (const Operation* operation : query_operations()) {
    if (operation->protocol == &protocol) {
      served += (served.empty() ? "" : ", ") + std::string(operation->name);
    }
  }
  return query_error(400,
                     "InvalidAction",
                     fmt::format("Could not find operation {} for version {}. Served here: {}",
                                 action.empty() ? "(no Action)" : action,
                                 protocol.version,
                                 served),
                     request_id,
                     protocol.xml_namespace);
}

}  // namespace

bool QueryService::serves(std::string_view service) { return protocol_of(service) != nullptr; }

net::Response QueryService::answer(const Request& request, const Protocol& protocol) {
  const auto form = parse_form(request.query, request.body);
  if (!form) {
    return query_error(400, "MalformedQueryString", form.error(), request.request_id, protocol.xml_namespace);
  }
  const auto named = form->find("Action");
  const std::string action = named == form->end() ? "" : named->second;
  const Operation* operation = nullptr;
  for (const Operation* each : query_operations()) {
    operation = each->protocol == &protocol && each->name == action ? each : operation;
  }
  const Handler handler = operation == nullptr ? nullptr : find_handler(operation->name);
  if (handler == nullptr) {
    return unknown_action(action, protocol, request.request_id);
  }
  if (const auto wait = backend_.rates.take(request.caller.account, operation->name)) {
    net::Response response =
        service_error({ServiceErrorKind::kThrottling, "Rate exceeded", wait}, protocol, request.request_id);
    response.headers.add("Retry-After", std::to_string(*wait));
    return response;
  }
  const auto input = decode_form(*operation->input, *form);
  if (!input) {
    return query_error(400, "MalformedInput", input.error(), request.request_id, protocol.xml_namespace);
  }
  if (const auto violations = constraints_.check(*operation->input, *input)) {
    return service_error({ServiceErrorKind::kValidation, *violations, {}}, protocol, request.request_id);
  }
  const auto output = handler(backend_, Call{*operation, request.caller.account, *input, request.caller});
  if (!output) {
    return service_error(output.error(), protocol, request.request_id);
  }
  return query_answer(*operation, *output, request.request_id);
}

net::Response QueryService::handle(const Request& request) {
  const Protocol& protocol = *protocol_of(request.service);
  try {
    return answer(request, protocol);
  } catch (const std::exception& failure) {
    log::error(
        "request failed",
        {{"service", std::string(request.service)}, {"request", request.request_id}, {"reason", failure.what()}});
    return service_error({ServiceErrorKind::kInternalServer,
                          "An internal error occurred; the daemon's log has the reason under this request's id",
                          {}},
                         protocol,
                         request.request_id);
  }
}

net::Response query_auth_error(const aws::WireError& error, std::string_view service, std::string_view request_id) {
  constexpr std::pair<std::string_view, std::string_view> kQueryCodes[] = {
      {"ExpiredTokenException", "ExpiredToken"},
      {"IncompleteSignatureException", "IncompleteSignature"},
      {"InvalidSignatureException", "SignatureDoesNotMatch"},
      {"MissingAuthenticationTokenException", "MissingAuthenticationToken"},
      {"UnrecognizedClientException", "InvalidClientTokenId"},
  };
  std::string_view code = error.code;
  for (const auto& [json_code, query_code] : kQueryCodes) {
    code = code == json_code ? query_code : code;
  }
  return query_error(error.status, code, error.message, request_id, protocol_of(service)->xml_namespace);
}

}  // namespace dormouse::api
