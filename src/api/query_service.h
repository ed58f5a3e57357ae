// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "api/constraints.h"
#include "api/handlers.h"
#include "aws/credentials.h"
#include "net/http.h"

namespace dormouse::api {

// Services of the AWS query protocol, `iam` and `sts`: form in, XML out. Which operations there are, and of what members, is
// in the model, as for JsonService; so is the order of checks. Thread-safe; blocks as the control layer does.
class QueryService {
 public:
  QueryService(Backend backend, const Constraints& constraints)
      : constraints_(constraints), backend_(std::move(backend)) {}

  static bool serves(std::string_view service);  // by the name in signatures

  struct Request {
    std::string_view service;
    std::string_view query;  // nothing decoded, without '?'
    std::string_view body;   // a form
    const aws::Credential& caller;
    std::string request_id;
  };
  net::Response handle(const Request& request);

 private:
  net::Response answer(const Request& request, const Protocol& protocol);

  const Constraints& constraints_;
  Backend backend_;
};

// What a request that is not believed is told: the query protocol has names of its own for these errors.
net::Response query_auth_error(const aws::WireError& error, std::string_view service, std::string_view request_id);

}  // namespace dormouse::api
