// SPDX-License-Identifier: Apache-2.0

#include "aws/auth_failure.h"

namespace dormouse::aws {

namespace {

constexpr const char* kRestJsonMismatch =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.";
constexpr const char* kS3Mismatch =
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.";

}  // namespace

WireError to_rest_json_error(const AuthFailure& failure) {
  switch (failure.kind) {
    case AuthFailureKind::kMissingToken:
      return {403, "MissingAuthenticationTokenException", "Missing Authentication Token"};
    case AuthFailureKind::kMalformed: return {403, "IncompleteSignatureException", failure.message};
    case AuthFailureKind::kUnknownAccessKey:
    case AuthFailureKind::kInvalidSessionToken:
      return {403, "UnrecognizedClientException", "The security token included in the request is invalid."};
    case AuthFailureKind::kTokenExpired:
      return {403, "ExpiredTokenException", "The security token included in the request is expired"};
    case AuthFailureKind::kSignatureMismatch:
    case AuthFailureKind::kBodyHashMismatch: return {403, "InvalidSignatureException", kRestJsonMismatch};
    case AuthFailureKind::kScopeMismatch:
    case AuthFailureKind::kExpired:
    case AuthFailureKind::kNotYetCurrent:
    case AuthFailureKind::kPresignedExpired:
    case AuthFailureKind::kHeaderNotSigned:
    case AuthFailureKind::kBodyHashMissing: return {403, "InvalidSignatureException", failure.message};
  }
  return {403, "InvalidSignatureException", failure.message};
}

WireError to_s3_error(const AuthFailure& failure) {
  switch (failure.kind) {
    case AuthFailureKind::kMissingToken: return {403, "AccessDenied", "Access Denied"};
    case AuthFailureKind::kMalformed:
    case AuthFailureKind::kScopeMismatch:
      return {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; " + failure.message};
    case AuthFailureKind::kUnknownAccessKey:
      return {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."};
    case AuthFailureKind::kInvalidSessionToken:
      return {400, "InvalidToken", "The provided token is malformed or otherwise invalid."};
    case AuthFailureKind::kTokenExpired: return {400, "ExpiredToken", "The provided token has expired."};
    case AuthFailureKind::kSignatureMismatch: return {403, "SignatureDoesNotMatch", kS3Mismatch};
    case AuthFailureKind::kExpired:
    case AuthFailureKind::kNotYetCurrent:
      return {
          403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."};
    case AuthFailureKind::kPresignedExpired: return {403, "AccessDenied", "Request has expired"};
    case AuthFailureKind::kHeaderNotSigned:
      return {403, "AccessDenied", "There were headers present in the request which were not signed"};
    case AuthFailureKind::kBodyHashMissing:
      return {400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"};
    case AuthFailureKind::kBodyHashMismatch:
      return {400,
              "XAmzContentSHA256Mismatch",
              "The provided 'x-amz-content-sha256' header does not match what was computed."};
  }
  return {403, "AccessDenied", "Access Denied"};
}

}  // namespace dormouse::aws
