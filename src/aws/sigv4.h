// SPDX-License-Identifier: Apache-2.0
//
// AWS Signature Version 4: the canonical request, the key, the signature, and signing as a client. Verification builds on
// the same functions (signature_check.h). Source: "Signature Version 4 signing process", AWS General Reference, and the
// Signature Calculations pages of the S3 API reference.

#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/credentials.h"
#include "base/clock.h"

namespace dormouse::aws {

using HeaderField = std::pair<std::string, std::string>;

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// A request as it is on the wire; everything is borrowed.
struct WireRequest {
  std::string_view method;
  std::string_view path;   // nothing decoded
  std::string_view query;  // nothing decoded, without '?'
  std::span<const HeaderField> headers;
};

// What a signature is good for: "date/region/service/aws4_request".
struct CredentialScope {
  std::string date;  // "20260102"
  std::string region;
  std::string service;
};
std::string to_string(const CredentialScope& scope);

// S3 signs the path as it is, with each segment encoded once; every other service removes dot segments and doubled slashes
// and encodes what is on the wire once more.
std::string canonical_path(std::string_view path, std::string_view service);

// Parameters sorted and encoded anew, without X-Amz-Signature. Empty for a query that cannot be decoded.
std::string canonical_query(std::string_view query);

// `signed_headers`: lower-case names, in the order in which they are signed.
std::string canonical_request(const WireRequest& request,
                              std::string_view service,
                              std::span<const std::string> signed_headers,
                              std::string_view payload_hash);

std::string string_to_sign(std::string_view timestamp,
                           const CredentialScope& scope,
                           std::string_view canonical_request);

// Raw bytes. Depends on the secret and the scope alone.
std::string signing_key(std::string_view secret, const CredentialScope& scope);
std::string signature(std::string_view key, std::string_view text_to_sign);  // lower-case hexadecimal

struct SigningOptions {
  std::string region;
  std::string service;
  WallTime time;
  std::string session_token;  // empty: none
};

// The header fields to add to `request`, which has its Host already, so that it is signed: X-Amz-Date, Authorization, for
// S3 also X-Amz-Content-Sha256. Signs all headers given.
std::vector<HeaderField> sign(const WireRequest& request,
                              const Credential& credential,
                              const SigningOptions& options,
                              std::string_view payload_hash);

// The query that makes `request` (with its Host alone as header) a presigned one.
std::string presign(const WireRequest& request,
                    const Credential& credential,
                    const SigningOptions& options,
                    std::chrono::seconds validity,
                    std::string_view payload_hash);

// "a b" for "  a   b ": a header field's value as it is signed.
std::string canonical_value(std::string_view value);
std::string to_lower(std::string_view text);  // ASCII

}  // namespace dormouse::aws
