// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "api/model.h"
#include "control/service_error.h"
#include "net/http.h"

namespace dormouse::api {

// An error as the wire has it: status, bare shape name for x-amzn-errortype, JSON body (specification section 1.7).
struct Refusal {
  int status = 500;
  std::string type;
  std::string body;
  std::optional<int> retry_after_seconds;
};

// {"message": ...}
Refusal refusal(int status, std::string_view type, std::string_view message);
Refusal validation(std::string_view message);
// The request is no JSON of the right form. The service spells this one {"Message": ...}.
Refusal serialization(std::string_view message);
// A service error in the names and members of its service; those that the service leaves empty are null.
Refusal service_refusal(const control::ServiceError& error, ErrorDialect dialect);

net::Response to_response(const Refusal& refusal);

inline tl::unexpected<Refusal> deny(Refusal refusal) { return tl::unexpected<Refusal>(std::move(refusal)); }

}  // namespace dormouse::api
