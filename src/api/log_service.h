// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "api/constraints.h"
#include "api/model.h"
#include "api/page_tokens.h"
#include "api/refusal.h"
#include "control/quotas.h"
#include "logs/log_store.h"
#include "logs/log_writer.h"
#include "net/http.h"

namespace dormouse::api {

// CloudWatch Logs in its protocol, AWS JSON 1.1, without authentication: the operation by X-Amz-Target, input and output as
// JSON bodies, errors with `__type`. Which operations there are is the model's (model_logs.cc). Thread-safe; blocks on the
// log store.
class LogService {
 public:
  struct Backend {
    logs::LogStore& logs;
    logs::LogWriter& writer;  // what it has not stored yet of streams is made before they are looked for
    control::RateLimiter& rates;
    PageTokens& pages;
    std::string region;
  };
  LogService(Backend backend, const Constraints& constraints)
      : constraints_(constraints), backend_(std::move(backend)) {}

  struct Request {
    std::string_view target;  // of X-Amz-Target; empty if there is none
    std::string_view body;
    std::string account;     // of the authenticated caller
    std::string request_id;  // for the log
  };
  net::Response handle(const Request& request);

 private:
  tl::expected<net::Response, Refusal> answer(const Request& request);

  const Constraints& constraints_;
  Backend backend_;
};

// An error in the words of the protocol.
net::Response to_json11_response(const Refusal& refusal);

}  // namespace dormouse::api
