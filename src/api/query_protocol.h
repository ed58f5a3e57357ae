// SPDX-License-Identifier: Apache-2.0
//
// The AWS query protocol, as far as `sts` needs it: form in, XML out.

#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace dormouse::api {

struct QueryRequest {
  std::string_view query;  // nothing decoded, without '?'
  std::string_view body;   // a form
  std::string account;
  std::string request_id;
};

// GetCallerIdentity; any other action is 501 or 400 InvalidAction.
net::Response answer_sts(const QueryRequest& request);

// <ErrorResponse>, fault of the sender.
net::Response query_error(int status, std::string_view code, std::string_view message, std::string_view request_id);

}  // namespace dormouse::api
