// SPDX-License-Identifier: Apache-2.0

#include "artifacts/s3_error.h"

#include "artifacts/xml.h"
#include "base/log.h"

namespace dormouse::artifacts {

S3Error to_s3_error(const Error& error) {
  const std::string& message = error.message();
  if (error.kind() == ErrorKind::kNotFound) {
    if (message.find("NoSuchBucket") != std::string::npos) {
      return {404, "NoSuchBucket", "The specified bucket does not exist", {}};
    }
    if (message.find("NoSuchUpload") != std::string::npos) {
      return {
          404,
          "NoSuchUpload",
          "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
          "completed.",
          {}};
    }
    return {404, "NoSuchKey", "The specified key does not exist.", {}};
  }
  switch (error.kind()) {
    case ErrorKind::kInvalidArgument: return {400, "InvalidRequest", message, {}};
    case ErrorKind::kPermissionDenied: return {403, "SignatureDoesNotMatch", message, {}};
    case ErrorKind::kConflict:
      return {412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {}};
    case ErrorKind::kResourceExhausted:
      log::error("the artifacts cannot grow", {{"reason", message}});
      return {507, "InsufficientStorage", "The disk that holds the artifacts is full.", {}};
    default:
      log::error("an artifact request failed", {{"reason", message}});
      return {500, "InternalError", "We encountered an internal error. Please try again.", {}};
  }
}

S3Error from_auth_failure(const aws::AuthFailure& failure) {
  aws::WireError wire = aws::to_s3_error(failure);
  S3Error error{wire.status, std::move(wire.code), std::move(wire.message), {}};
  if (!failure.expected_region.empty()) {
    error.details.emplace_back("Region", failure.expected_region);
  }
  return error;
}

net::Response to_response(const S3Error& error, std::string_view resource) {
  XmlWriter xml;
  xml.open("Error").text("Code", error.code).text("Message", error.message);
  for (const auto& [name, value] : error.details) {
    xml.text(name, value);
  }
  xml.text("Resource", resource).close("Error");
  net::Response response = xml_response(error.status, std::move(xml));
  return response;
}

}  // namespace dormouse::artifacts
