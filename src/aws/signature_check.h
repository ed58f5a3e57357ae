// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "aws/auth_failure.h"
#include "aws/authorization.h"
#include "aws/query_signature_v2.h"
#include "aws/sigv4.h"

namespace dormouse::aws {

// What x-amz-content-sha256 says about the body.
enum class PayloadMode {
  kHashed,                    // the SHA-256 of the body
  kUnsigned,                  // UNSIGNED-PAYLOAD
  kStreamingUnsignedTrailer,  // aws-chunked, with trailing headers
  kStreamingSigned,           // aws-chunked, each chunk signed
  kStreamingSignedTrailer,    // likewise, and a signed trailer
};
bool is_streaming(PayloadMode mode);  // aws-chunked

// The signatures of an aws-chunked body, each over the one before. Source: "Signature calculations for the Authorization
// header: transferring payload in multiple chunks", S3 API reference.
class ChunkSignatures {
 public:
  ChunkSignatures(std::string key, std::string timestamp, CredentialScope scope, std::string seed_signature);

  bool check_chunk(std::string_view chunk_sha256_hex, std::string_view signature);
  // `trailers`: "name:value\n" of each, in order, without x-amz-trailer-signature.
  bool check_trailer(std::string_view trailers, std::string_view signature);

 private:
  bool check(std::string_view algorithm, std::string_view hashes, std::string_view signature);

  std::string key_;
  std::string timestamp_;
  CredentialScope scope_;
  std::string previous_;
};

struct CheckOptions {
  std::string region;  // that requests must be scoped to
  std::chrono::seconds clock_skew_max = std::chrono::minutes(15);
  std::chrono::seconds presigned_max = std::chrono::hours(24 * 7);
  std::vector<std::string> s3_host_names = default_s3_host_names();
};

// One request on its way to being believed. begin() decides by the head; where the head does not carry the body's hash (no
// x-amz-content-sha256 for services other than S3) the signature is known only when check_body() is called.
//
// The service is not judged: one port serves several, told apart by service(). A value; not thread-safe.
class SignatureCheck {
 public:
  static tl::expected<SignatureCheck, AuthFailure> begin(const WireRequest& request,
                                                         const CredentialStore& credentials,
                                                         const CheckOptions& options,
                                                         WallTime now);

  const Credential& caller() const { return credential_; }
  const std::string& account() const { return credential_.account; }
  const std::string& access_key() const { return credential_.access_key; }
  const std::string& service() const { return authorization_.scope.service; }
  bool presigned() const { return authorization_.presigned_for.has_value(); }
  PayloadMode payload_mode() const { return mode_; }
  // False: nothing in this request may be acted on before check_body() has succeeded.
  bool signature_verified() const { return signature_verified_; }

  // To be called with the whole body's SHA-256 (lower-case hexadecimal) where payload_mode() is kHashed: kBodyHashMismatch,
  // kSignatureMismatch. With any other mode it succeeds.
  tl::expected<void, AuthFailure> check_body(std::string_view sha256_hex);

  // For kStreamingSigned and kStreamingSignedTrailer.
  ChunkSignatures chunk_signatures() const;

 private:
  SignatureCheck() = default;

  Authorization authorization_;
  Credential credential_;
  PayloadMode mode_ = PayloadMode::kHashed;
  std::string claimed_hash_;    // empty: none was claimed
  std::string canonical_head_;  // canonical request without the payload's hash
  bool signature_verified_ = false;
};

}  // namespace dormouse::aws
