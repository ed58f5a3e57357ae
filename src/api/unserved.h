// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace dormouse::api {

// The variable that gives a service, named as in its signatures, an endpoint of its own: "AWS_ENDPOINT_URL_DYNAMODB".
std::string endpoint_variable(std::string_view signing_name);

// The answer to a request for a service that is not served here: 501, saying which variable to set, in the form that the
// client's protocol (by its Content-Type) reads.
net::Response answer_unserved(std::string_view signing_name,
                              const std::string& region,
                              const net::Headers& request_headers,
                              const std::string& request_id);

}  // namespace dormouse::api
