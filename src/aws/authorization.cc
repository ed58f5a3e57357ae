// SPDX-License-Identifier: Apache-2.0

#include "aws/authorization.h"

#include <charconv>
#include <cstddef>
#include <utility>

#include <fmt/core.h>

#include "aws/encoding.h"
#include "aws/query_signature_v2.h"
#include "aws/time.h"

namespace dormouse::aws {

namespace {

tl::unexpected<AuthFailure> refuse(AuthFailureKind kind, std::string message) {
  return tl::unexpected<AuthFailure>(AuthFailure{kind, std::move(message), {}});
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

// "KEY/date/region/service/aws4_request"; the key itself has no slash.
tl::expected<void, AuthFailure> parse_credential(std::string_view text, Authorization& into) {
  const std::vector<std::string> parts = split(text, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request" || parts[0].empty()) {
    return refuse(AuthFailureKind::kMalformed,
                  fmt::format("Credential must have exactly 5 slash-delimited elements, e.g. "
                              "keyid/date/region/service/aws4_request, got '{}'",
                              text));
  }
  into.access_key = parts[0];
  into.scope = {.date = parts[1], .region = parts[2], .service = parts[3]};
  return {};
}

// From X-Amz-Date, else from Date.
tl::expected<std::string, AuthFailure> parse_request_date(const WireRequest& request) {
  if (const std::string* date = find_header(request, "x-amz-date")) {
    return *date;
  }
  const std::string* date = find_header(request, "date");
  if (date == nullptr) {
    return refuse(AuthFailureKind::kMalformed,
                  "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  const auto time = from_http_date(*date);
  return time ? to_iso8601_basic(*time) : *date;
}

tl::expected<Authorization, AuthFailure> parse_header_form(const WireRequest& request, std::string_view header) {
  if (!header.starts_with(kAlgorithm) || header.size() == kAlgorithm.size() || header[kAlgorithm.size()] != ' ') {
    return refuse(
        AuthFailureKind::kMalformed,
        fmt::format("Authorization header must begin with '{}'; other algorithms are not supported", kAlgorithm));
  }
  Authorization result;
  std::string credential, signed_headers;
  for (const std::string& part : split(header.substr(kAlgorithm.size()), ',')) {
    const std::size_t equals = part.find('=');
    const std::string name = canonical_value(std::string_view(part).substr(0, equals));
    std::string value = equals == std::string::npos ? "" : canonical_value(std::string_view(part).substr(equals + 1));
    if (name == "Credential") {
      credential = std::move(value);
    } else if (name == "SignedHeaders") {
      signed_headers = std::move(value);
    } else if (name == "Signature") {
      result.signature = std::move(value);
    }
  }
  std::string missing;
  missing += credential.empty() ? "Authorization header requires 'Credential' parameter. " : "";
  missing += result.signature.empty() ? "Authorization header requires 'Signature' parameter. " : "";
  missing += signed_headers.empty() ? "Authorization header requires 'SignedHeaders' parameter. " : "";
  if (!missing.empty()) {
    missing.pop_back();
    return refuse(AuthFailureKind::kMalformed, std::move(missing));
  }
  if (auto parsed = parse_credential(credential, result); !parsed) {
    return tl::unexpected<AuthFailure>(std::move(parsed).error());
  }
  result.signed_headers = split(signed_headers, ';');
  auto timestamp = parse_request_date(request);
  if (!timestamp) {
    return tl::unexpected<AuthFailure>(std::move(timestamp).error());
  }
  result.timestamp = *std::move(timestamp);
  if (const std::string* token = find_header(request, "x-amz-security-token")) {
    result.session_token = *token;
  }
  return result;
}

tl::expected<Authorization, AuthFailure> parse_query_form(const QueryParameters& parameters) {
  Authorization result;
  std::string missing;
  const auto require = [&parameters, &missing](std::string_view name) {
    const std::string* value = find_parameter(parameters, name);
    if (value == nullptr || value->empty()) {
      missing += fmt::format("AWS query-string parameters must include '{}'. ", name);
      return std::string();
    }
    return *value;
  };
  const std::string algorithm = require("X-Amz-Algorithm");
  const std::string credential = require("X-Amz-Credential");
  result.signature = require("X-Amz-Signature");
  const std::string signed_headers = require("X-Amz-SignedHeaders");
  result.timestamp = require("X-Amz-Date");
  const std::string expires = require("X-Amz-Expires");
  if (!missing.empty()) {
    missing.pop_back();
    return refuse(AuthFailureKind::kMalformed, std::move(missing));
  }
  if (algorithm != kAlgorithm) {
    return refuse(AuthFailureKind::kMalformed,
                  fmt::format("X-Amz-Algorithm only supports '{}', got '{}'", kAlgorithm, algorithm));
  }
  if (auto parsed = parse_credential(credential, result); !parsed) {
    return tl::unexpected<AuthFailure>(std::move(parsed).error());
  }
  result.signed_headers = split(signed_headers, ';');
  int seconds = 0;
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
  if (error != std::errc() || end != expires.data() + expires.size() || seconds < 0) {
    return refuse(AuthFailureKind::kMalformed, fmt::format("X-Amz-Expires should be a number, got '{}'", expires));
  }
  result.presigned_for = std::chrono::seconds(seconds);
  if (const std::string* token = find_parameter(parameters, "X-Amz-Security-Token")) {
    result.session_token = *token;
  }
  return result;
}

Authorization parse_version_2(const QueryParameters& parameters) {
  Authorization result;
  result.version_2 = true;
  result.access_key = *find_parameter(parameters, "AWSAccessKeyId");
  result.signature = *find_parameter(parameters, "Signature");
  result.scope.service = "s3";
  result.presigned_for = std::chrono::seconds(0);
  if (const std::string* expires = find_parameter(parameters, "Expires")) {
    result.timestamp = *expires;
  }
  if (const std::string* token = find_parameter(parameters, "x-amz-security-token")) {
    result.session_token = *token;
  }
  return result;
}

}  // namespace

const std::string* find_header(const WireRequest& request, std::string_view lower_name) {
  for (const auto& [name, value] : request.headers) {
    if (name.size() == lower_name.size() && to_lower(name) == lower_name) {
      return &value;
    }
  }
  return nullptr;
}

const std::string* find_parameter(const QueryParameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

tl::expected<Authorization, AuthFailure> parse_authorization(const WireRequest& request) {
  if (const std::string* header = find_header(request, "authorization")) {
    return parse_header_form(request, *header);
  }
  const auto parameters = parse_query(request.query);
  if (!parameters) {
    return refuse(AuthFailureKind::kMalformed, "The query string is not percent-encoded correctly.");
  }
  if (has_query_signature_v2(*parameters)) {
    return parse_version_2(*parameters);
  }
  if (find_parameter(*parameters, "X-Amz-Algorithm") == nullptr &&
      find_parameter(*parameters, "X-Amz-Signature") == nullptr) {
    return refuse(AuthFailureKind::kMissingToken, "Missing Authentication Token");
  }
  return parse_query_form(*parameters);
}

}  // namespace dormouse::aws
