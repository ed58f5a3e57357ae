// SPDX-License-Identifier: Apache-2.0

#include "aws/query_signature_v2.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

#include <fmt/core.h>

#include "aws/digest.h"
#include "aws/encoding.h"

namespace dormouse::aws {

namespace {

// The parameters that version 2 signs.
constexpr std::array<std::string_view, 33> kSubresources = {"accelerate",
                                                            "acl",
                                                            "analytics",
                                                            "cors",
                                                            "defaultObjectAcl",
                                                            "delete",
                                                            "inventory",
                                                            "lifecycle",
                                                            "location",
                                                            "logging",
                                                            "metrics",
                                                            "notification",
                                                            "object-lock",
                                                            "partNumber",
                                                            "policy",
                                                            "replication",
                                                            "requestPayment",
                                                            "response-cache-control",
                                                            "response-content-disposition",
                                                            "response-content-encoding",
                                                            "response-content-language",
                                                            "response-content-type",
                                                            "response-expires",
                                                            "restore",
                                                            "select",
                                                            "select-type",
                                                            "storageClass",
                                                            "tagging",
                                                            "torrent",
                                                            "uploadId",
                                                            "uploads",
                                                            "versionId",
                                                            "website"};

std::string header_or_empty(const WireRequest& request, std::string_view lower_name) {
  const std::string* value = find_header(request, lower_name);
  return value == nullptr ? std::string() : *value;
}

std::string amazon_headers(const WireRequest& request) {
  std::map<std::string, std::string> headers;
  for (const auto& [field, value] : request.headers) {
    const std::string name = to_lower(field);
    if (name.starts_with("x-amz-")) {
      std::string& joined = headers[name];
      joined += (joined.empty() ? "" : ",") + canonical_value(value);
    }
  }
  std::string text;
  for (const auto& [name, value] : headers) {
    text += fmt::format("{}:{}\n", name, value);
  }
  return text;
}

}  // namespace

std::vector<std::string> default_s3_host_names() { return {"localhost", "127.0.0.1", "s3.localhost"}; }

std::string bucket_of_host(std::string_view host_field, const std::vector<std::string>& host_names) {
  std::string host = to_lower(host_field);
  if (const std::size_t colon = host.rfind(':'); colon != std::string::npos && !host.ends_with(']')) {
    host.resize(colon);
  }
  std::size_t longest = 0;
  for (const std::string& name : host_names) {
    if (host == name) {
      return {};
    }
    if (host.size() > name.size() + 1 && host.ends_with("." + name)) {
      longest = std::max(longest, name.size());
    }
  }
  return longest == 0 ? std::string() : host.substr(0, host.size() - longest - 1);
}

bool has_query_signature_v2(const QueryParameters& parameters) {
  return find_parameter(parameters, "AWSAccessKeyId") != nullptr && find_parameter(parameters, "Signature") != nullptr;
}

std::string query_signature_v2(const WireRequest& request,
                               const QueryParameters& parameters,
                               std::string_view secret,
                               const std::vector<std::string>& host_names) {
  std::vector<std::string> signed_parameters;
  for (const auto& [name, value] : parameters) {
    if (std::find(kSubresources.begin(), kSubresources.end(), name) != kSubresources.end()) {
      signed_parameters.push_back(value.empty() ? name : fmt::format("{}={}", name, value));
    }
  }
  std::sort(signed_parameters.begin(), signed_parameters.end());
  const std::string bucket = bucket_of_host(header_or_empty(request, "host"), host_names);
  std::string resource = bucket.empty() ? std::string(request.path) : fmt::format("/{}{}", bucket, request.path);
  for (std::size_t i = 0; i < signed_parameters.size(); ++i) {
    resource += (i == 0 ? "?" : "&") + signed_parameters[i];
  }
  const std::string* expires = find_parameter(parameters, "Expires");
  return to_base64(hmac_sha1(secret,
                             fmt::format("{}\n{}\n{}\n{}\n{}{}",
                                         request.method,
                                         header_or_empty(request, "content-md5"),
                                         header_or_empty(request, "content-type"),
                                         expires == nullptr ? "" : *expires,
                                         amazon_headers(request),
                                         resource)));
}

}  // namespace dormouse::aws
