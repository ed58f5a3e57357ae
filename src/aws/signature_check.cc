// SPDX-License-Identifier: Apache-2.0

#include "aws/signature_check.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include <fmt/core.h>

#include "aws/digest.h"
#include "aws/encoding.h"
#include "aws/time.h"

namespace dormouse::aws {

namespace {

tl::unexpected<AuthFailure> refuse(AuthFailureKind kind, std::string message) {
  return tl::unexpected<AuthFailure>(AuthFailure{kind, std::move(message), {}});
}

std::string describe_limit(std::chrono::seconds limit) { return fmt::format("{} min.", limit.count() / 60); }

tl::expected<void, AuthFailure> check_time(const Authorization& claim, const CheckOptions& options, WallTime now) {
  const auto signed_at = from_iso8601_basic(claim.timestamp);
  if (!signed_at) {
    return refuse(AuthFailureKind::kMalformed,
                  fmt::format("Date must be in ISO-8601 'basic format'. Got '{}'. See "
                              "http://en.wikipedia.org/wiki/ISO_8601",
                              claim.timestamp));
  }
  if (claim.scope.date != claim.timestamp.substr(0, 8)) {
    return refuse(
        AuthFailureKind::kScopeMismatch,
        fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                    "'{}' != '{}', from '{}'.",
                    claim.scope.date,
                    claim.timestamp.substr(0, 8),
                    claim.timestamp));
  }
  const std::string current = to_iso8601_basic(now);
  if (*signed_at > now + options.clock_skew_max) {
    return refuse(AuthFailureKind::kNotYetCurrent,
                  fmt::format("Signature not yet current: {} is still later than {} ({} + {})",
                              claim.timestamp,
                              to_iso8601_basic(now + options.clock_skew_max),
                              current,
                              describe_limit(options.clock_skew_max)));
  }
  if (!claim.presigned_for && *signed_at < now - options.clock_skew_max) {
    return refuse(AuthFailureKind::kExpired,
                  fmt::format("Signature expired: {} is now earlier than {} ({} - {})",
                              claim.timestamp,
                              to_iso8601_basic(now - options.clock_skew_max),
                              current,
                              describe_limit(options.clock_skew_max)));
  }
  if (claim.presigned_for && *claim.presigned_for > options.presigned_max) {
    return refuse(AuthFailureKind::kMalformed,
                  fmt::format("X-Amz-Expires must be less than {} seconds, got {}",
                              options.presigned_max.count(),
                              claim.presigned_for->count()));
  }
  if (claim.presigned_for && now > *signed_at + *claim.presigned_for) {
    return refuse(AuthFailureKind::kPresignedExpired,
                  fmt::format("Signature expired: {} is now earlier than {}",
                              to_iso8601_basic(*signed_at + *claim.presigned_for),
                              current));
  }
  return {};
}

tl::expected<void, AuthFailure> check_signed_headers(const WireRequest& request, const Authorization& claim) {
  const auto is_signed = [&claim](const std::string& name) {
    return std::find(claim.signed_headers.begin(), claim.signed_headers.end(), name) != claim.signed_headers.end();
  };
  if (!is_signed("host")) {
    return refuse(AuthFailureKind::kHeaderNotSigned,
                  "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  for (const auto& [field, value] : request.headers) {
    const std::string name = to_lower(field);
    if (name.starts_with("x-amz-") && !is_signed(name)) {
      return refuse(AuthFailureKind::kHeaderNotSigned,
                    fmt::format("'{}' must be a 'SignedHeader' in the AWS Authorization.", name));
    }
  }
  return {};
}

// The payload's hash as claimed by the head; empty if it claims none.
std::string claimed_payload(const WireRequest& request, const Authorization& claim) {
  if (const std::string* header = find_header(request, "x-amz-content-sha256")) {
    return *header;
  }
  if (claim.presigned_for && claim.scope.service == "s3") {
    const auto parameters = parse_query(request.query).value_or(QueryParameters{});
    const std::string* parameter = find_parameter(parameters, "X-Amz-Content-Sha256");
    return parameter != nullptr ? *parameter : std::string(kUnsignedPayload);
  }
  return {};
}

tl::expected<PayloadMode, AuthFailure> parse_payload_mode(std::string_view claimed) {
  if (claimed == kUnsignedPayload) {
    return PayloadMode::kUnsigned;
  }
  if (claimed == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    return PayloadMode::kStreamingUnsignedTrailer;
  }
  if (claimed == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    return PayloadMode::kStreamingSigned;
  }
  if (claimed == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    return PayloadMode::kStreamingSignedTrailer;
  }
  const bool hexadecimal =
      claimed.size() == 64 && claimed.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (claimed.empty() || hexadecimal) {
    return PayloadMode::kHashed;
  }
  return refuse(AuthFailureKind::kMalformed,
                fmt::format("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
                            "sha256 value, got '{}'",
                            claimed));
}

tl::expected<void, AuthFailure> compare_signature(const Authorization& claim,
                                                  const Credential& credential,
                                                  std::string_view canonical) {
  const std::string text = string_to_sign(claim.timestamp, claim.scope, canonical);
  const std::string expected = signature(signing_key(credential.secret, claim.scope), text);
  if (!equal_in_constant_time(expected, claim.signature)) {
    return refuse(AuthFailureKind::kSignatureMismatch, "The signature does not match.");
  }
  return {};
}

// Everything about a claim but its signature.
tl::expected<void, AuthFailure> check_claim(const WireRequest& request,
                                            const Authorization& claim,
                                            const CheckOptions& options,
                                            WallTime now) {
  if (claim.scope.region != options.region) {
    const std::string message =
        claim.scope.service == "s3"
            ? fmt::format("the region '{}' is wrong; expecting '{}'", claim.scope.region, options.region)
            : fmt::format("Credential should be scoped to a valid region. '{}' is not: expecting '{}'.",
                          claim.scope.region,
                          options.region);
    return tl::unexpected<AuthFailure>(AuthFailure{AuthFailureKind::kScopeMismatch, message, options.region});
  }
  if (auto in_time = check_time(claim, options, now); !in_time) {
    return in_time;
  }
  return check_signed_headers(request, claim);
}

// Time and signature of S3's older presigned form.
tl::expected<void, AuthFailure> check_version_2(const WireRequest& request,
                                                const Authorization& claim,
                                                const Credential& credential,
                                                const CheckOptions& options,
                                                WallTime now) {
  std::int64_t expires = 0;
  const char* const text_end = claim.timestamp.data() + claim.timestamp.size();
  const auto [end, error] = std::from_chars(claim.timestamp.data(), text_end, expires);
  if (error != std::errc() || end != text_end) {
    return refuse(AuthFailureKind::kMalformed, fmt::format("Expires should be a number, got '{}'", claim.timestamp));
  }
  if (std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count() > expires) {
    return refuse(AuthFailureKind::kPresignedExpired, "Request has expired");
  }
  const QueryParameters parameters = parse_query(request.query).value_or(QueryParameters{});
  const std::string expected = query_signature_v2(request, parameters, credential.secret, options.s3_host_names);
  if (!equal_in_constant_time(expected, claim.signature)) {
    return refuse(AuthFailureKind::kSignatureMismatch, "The signature does not match.");
  }
  return {};
}

}  // namespace

bool is_streaming(PayloadMode mode) { return mode != PayloadMode::kHashed && mode != PayloadMode::kUnsigned; }

tl::expected<SignatureCheck, AuthFailure> SignatureCheck::begin(const WireRequest& request,
                                                                const CredentialStore& credentials,
                                                                const CheckOptions& options,
                                                                WallTime now) {
  if (!parse_query(request.query)) {
    return refuse(AuthFailureKind::kMalformed, "The query string is not percent-encoded correctly.");
  }
  auto claim = parse_authorization(request);
  if (!claim) {
    return tl::unexpected<AuthFailure>(std::move(claim).error());
  }
  if (const std::string* token = find_header(request, "x-amz-security-token")) {
    claim->session_token = *token;  // also beside a presigned query
  }
  auto credential = credentials.find(claim->access_key, claim->session_token, now);
  if (!credential) {
    return refuse(credential.error(), "The access key or its session token is not known here, or no longer.");
  }
  if (claim->version_2) {
    if (auto checked = check_version_2(request, *claim, *credential, options, now); !checked) {
      return tl::unexpected<AuthFailure>(std::move(checked).error());
    }
    SignatureCheck check;
    check.mode_ = PayloadMode::kUnsigned;
    check.signature_verified_ = true;
    check.authorization_ = *std::move(claim);
    check.credential_ = *std::move(credential);
    return check;
  }
  if (auto checked = check_claim(request, *claim, options, now); !checked) {
    return tl::unexpected<AuthFailure>(std::move(checked).error());
  }
  SignatureCheck check;
  check.claimed_hash_ = claimed_payload(request, *claim);
  auto mode = parse_payload_mode(check.claimed_hash_);
  if (!mode) {
    return tl::unexpected<AuthFailure>(std::move(mode).error());
  }
  if (check.claimed_hash_.empty() && claim->scope.service == "s3") {
    return refuse(AuthFailureKind::kBodyHashMissing, "x-amz-content-sha256 is missing.");
  }
  check.mode_ = *mode;
  check.canonical_head_ = canonical_request(request, claim->scope.service, claim->signed_headers, "");
  check.authorization_ = *std::move(claim);
  check.credential_ = *std::move(credential);
  if (!check.claimed_hash_.empty()) {
    if (auto same =
            compare_signature(check.authorization_, check.credential_, check.canonical_head_ + check.claimed_hash_);
        !same) {
      return tl::unexpected<AuthFailure>(std::move(same).error());
    }
    check.signature_verified_ = true;
  }
  return check;
}

tl::expected<void, AuthFailure> SignatureCheck::check_body(std::string_view sha256_hex) {
  if (mode_ != PayloadMode::kHashed) {
    return {};
  }
  if (signature_verified_) {
    if (!equal_in_constant_time(to_lower(claimed_hash_), sha256_hex)) {
      return refuse(AuthFailureKind::kBodyHashMismatch, "x-amz-content-sha256 is not the SHA-256 of the body.");
    }
    return {};
  }
  auto same = compare_signature(authorization_, credential_, canonical_head_ + std::string(sha256_hex));
  signature_verified_ = same.has_value();
  return same;
}

ChunkSignatures SignatureCheck::chunk_signatures() const {
  return ChunkSignatures(signing_key(credential_.secret, authorization_.scope),
                         authorization_.timestamp,
                         authorization_.scope,
                         authorization_.signature);
}

ChunkSignatures::ChunkSignatures(std::string key,
                                 std::string timestamp,
                                 CredentialScope scope,
                                 std::string seed_signature)
    : key_(std::move(key)),
      timestamp_(std::move(timestamp)),
      scope_(std::move(scope)),
      previous_(std::move(seed_signature)) {}

bool ChunkSignatures::check_chunk(std::string_view chunk_sha256_hex, std::string_view signature) {
  return check("AWS4-HMAC-SHA256-PAYLOAD", fmt::format("{}\n{}", kEmptySha256, chunk_sha256_hex), signature);
}

bool ChunkSignatures::check_trailer(std::string_view trailers, std::string_view signature) {
  return check("AWS4-HMAC-SHA256-TRAILER", sha256_hex(trailers), signature);
}

bool ChunkSignatures::check(std::string_view algorithm, std::string_view hashes, std::string_view signature) {
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}\n{}", algorithm, timestamp_, to_string(scope_), previous_, hashes);
  previous_ = aws::signature(key_, text);
  return equal_in_constant_time(previous_, signature);
}

}  // namespace dormouse::aws
