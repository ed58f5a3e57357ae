// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/constraints.h"
#include "api/handlers.h"
#include "api/refusal.h"
#include "net/http.h"

namespace dormouse::api {

// The operations of the model over HTTP, without authentication: routes, decodes, checks constraints, calls the handler,
// encodes. The model's constraints come first and completely, then the rules of the control layer. Thread-safe; blocks as
// the control layer does.
class JsonService {
 public:
  JsonService(Backend backend, const Constraints& constraints)
      : constraints_(constraints), backend_(std::move(backend)) {}

  struct Request {
    std::string_view method;
    std::string_view path;   // nothing decoded
    std::string_view query;  // nothing decoded, without '?'
    std::string_view body;
    const aws::Credential& caller;
    std::string request_id;  // for the log
    tracing::Cause cause{};
  };
  net::Response handle(const Request& request);

 private:
  tl::expected<net::Response, Refusal> answer(const Request& request);

  const Constraints& constraints_;
  Backend backend_;
};

}  // namespace dormouse::api
