// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

namespace dormouse::aws {

// Why a request is not taken for what it claims to be.
enum class AuthFailureKind {
  kMissingToken,  // neither an Authorization header nor a presigned query
  kMalformed,     // one of them, but incomplete or unreadable
  kUnknownAccessKey,
  kInvalidSessionToken,  // a session token that is not this key's, or none where there must be one
  kTokenExpired,         // temporary credentials past their time
  kScopeMismatch,        // date, region or service of the credential scope
  kSignatureMismatch,
  kExpired,        // older than the clocks may differ
  kNotYetCurrent,  // younger than that
  kPresignedExpired,
  kHeaderNotSigned,  // an x-amz-* header, or Host, is not among the signed ones
  kBodyHashMissing,  // S3 without x-amz-content-sha256
  kBodyHashMismatch,
};

struct AuthFailure {
  AuthFailureKind kind = AuthFailureKind::kMissingToken;
  std::string message;          // for the client; holds no secret
  std::string expected_region;  // with kScopeMismatch, when the region is what is wrong
};

// A refusal as a service words it: status, error code, message.
struct WireError {
  int status = 403;
  std::string code;
  std::string message;
};
WireError to_rest_json_error(const AuthFailure& failure);  // lambda, sts, ...
WireError to_s3_error(const AuthFailure& failure);

}  // namespace dormouse::aws
