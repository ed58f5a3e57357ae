// SPDX-License-Identifier: Apache-2.0

#include "aws/sigv4.h"

#include <algorithm>
#include <cstddef>

#include <fmt/core.h>

#include "aws/digest.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::aws {

namespace {

// RFC 3986 section 5.2.4; also drops empty segments. A slash at the end stays.
std::string normalize_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_with_slash = path.ends_with('/');
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (segment == ".." && !segments.empty()) {
      segments.pop_back();
    } else if (!segment.empty() && segment != "." && segment != "..") {
      segments.push_back(segment);
    }
  }
  std::string normalized;
  for (const std::string_view segment : segments) {
    normalized += '/';
    normalized += segment;
  }
  if (normalized.empty() || ends_with_slash) {
    normalized += '/';
  }
  return normalized;
}

std::string canonical_headers(const WireRequest& request, std::span<const std::string> signed_headers) {
  std::string text;
  for (const std::string& name : signed_headers) {
    text += name;
    text += ':';
    bool first = true;
    for (const auto& [field, value] : request.headers) {
      if (to_lower(field) == name) {
        text += first ? "" : ",";
        text += canonical_value(value);
        first = false;
      }
    }
    text += '\n';
  }
  return text;
}

std::string join(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) {
    text += text.empty() ? "" : ";";
    text += name;
  }
  return text;
}

CredentialScope scope_of(const SigningOptions& options, std::string_view timestamp) {
  return {.date = std::string(timestamp.substr(0, 8)), .region = options.region, .service = options.service};
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

std::string canonical_value(std::string_view value) {
  std::string text;
  bool space = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      space = true;
      continue;
    }
    if (space && !text.empty()) {
      text += ' ';
    }
    space = false;
    text += c;
  }
  return text;
}

std::string to_string(const CredentialScope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", scope.date, scope.region, scope.service);
}

std::string canonical_path(std::string_view path, std::string_view service) {
  if (service != "s3") {
    return percent_encode(normalize_path(path), Slash::kKeep);
  }
  const auto decoded = percent_decode(path);
  return percent_encode(decoded ? std::string_view(*decoded) : path, Slash::kKeep);
}

std::string canonical_query(std::string_view query) {
  auto parameters = parse_query(query);
  if (!parameters) {
    return {};
  }
  std::erase_if(*parameters, [](const auto& parameter) { return parameter.first == "X-Amz-Signature"; });
  for (auto& [name, value] : *parameters) {
    name = percent_encode(name, Slash::kEncode);
    value = percent_encode(value, Slash::kEncode);
  }
  std::sort(parameters->begin(), parameters->end());
  std::string text;
  for (const auto& [name, value] : *parameters) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  }
  return text;
}

std::string canonical_request(const WireRequest& request,
                              std::string_view service,
                              std::span<const std::string> signed_headers,
                              std::string_view payload_hash) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}",
                     request.method,
                     canonical_path(request.path, service),
                     canonical_query(request.query),
                     canonical_headers(request, signed_headers),
                     join(signed_headers),
                     payload_hash);
}

std::string string_to_sign(std::string_view timestamp, const CredentialScope& scope, std::string_view canonical) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, timestamp, to_string(scope), sha256_hex(canonical));
}

std::string signing_key(std::string_view secret, const CredentialScope& scope) {
  const std::string date_key = hmac_sha256(fmt::format("AWS4{}", secret), scope.date);
  const std::string region_key = hmac_sha256(date_key, scope.region);
  const std::string service_key = hmac_sha256(region_key, scope.service);
  return hmac_sha256(service_key, "aws4_request");
}

std::string signature(std::string_view key, std::string_view text_to_sign) {
  return to_hex(hmac_sha256(key, text_to_sign));
}

std::vector<HeaderField> sign(const WireRequest& request,
                              const Credential& credential,
                              const SigningOptions& options,
                              std::string_view payload_hash) {
  const std::string timestamp = to_iso8601_basic(options.time);
  std::vector<HeaderField> added = {{"X-Amz-Date", timestamp}};
  if (options.service == "s3") {
    added.emplace_back("X-Amz-Content-Sha256", payload_hash);
  }
  if (!options.session_token.empty()) {
    added.emplace_back("X-Amz-Security-Token", options.session_token);
  }
  std::vector<HeaderField> headers(request.headers.begin(), request.headers.end());
  headers.insert(headers.end(), added.begin(), added.end());
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) {
    names.push_back(to_lower(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());

  WireRequest whole = request;
  whole.headers = headers;
  const CredentialScope scope = scope_of(options, timestamp);
  const std::string text =
      string_to_sign(timestamp, scope, canonical_request(whole, options.service, names, payload_hash));
  added.emplace_back("Authorization",
                     fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}",
                                 kAlgorithm,
                                 credential.access_key,
                                 to_string(scope),
                                 join(names),
                                 signature(signing_key(credential.secret, scope), text)));
  return added;
}

std::string presign(const WireRequest& request,
                    const Credential& credential,
                    const SigningOptions& options,
                    std::chrono::seconds validity,
                    std::string_view payload_hash) {
  const std::string timestamp = to_iso8601_basic(options.time);
  const CredentialScope scope = scope_of(options, timestamp);
  std::string query =
      fmt::format("{}{}X-Amz-Algorithm={}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
                  request.query,
                  request.query.empty() ? "" : "&",
                  kAlgorithm,
                  percent_encode(credential.access_key + "/" + to_string(scope), Slash::kEncode),
                  timestamp,
                  validity.count());
  if (!options.session_token.empty()) {
    query += "&X-Amz-Security-Token=" + percent_encode(options.session_token, Slash::kEncode);
  }
  WireRequest whole = request;
  whole.query = query;
  const std::vector<std::string> names = {"host"};
  const std::string text =
      string_to_sign(timestamp, scope, canonical_request(whole, options.service, names, payload_hash));
  query += "&X-Amz-Signature=" + signature(signing_key(credential.secret, scope), text);
  return query;
}

}  // namespace dormouse::aws
