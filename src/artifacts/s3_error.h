// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "aws/auth_failure.h"
#include "base/error.h"
#include "net/http.h"

namespace dormouse::artifacts {

// A refusal in S3's terms ("Error Responses", S3 API reference).
struct S3Error {
  int status = 500;
  std::string code;  // "NoSuchKey"
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;  // further XML elements, e.g. BucketName
};

template <typename T>
using S3Result = tl::expected<T, S3Error>;

inline tl::unexpected<S3Error> refuse(int status, std::string code, std::string message) {
  return tl::unexpected<S3Error>(S3Error{status, std::move(code), std::move(message), {}});
}

// What an error of ObjectStore means to a client. What is no fault of the client's is logged, and told without its text.
S3Error to_s3_error(const Error& error);
S3Error from_auth_failure(const aws::AuthFailure& failure);

// The XML answer. `resource`: the request's path.
net::Response to_response(const S3Error& error, std::string_view resource);

}  // namespace dormouse::artifacts
