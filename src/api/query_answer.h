// SPDX-License-Identifier: Apache-2.0
//
// The answers of the AWS query protocol: XML, indented by two, without a prolog.

#pragma once

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "api/model.h"
#include "net/http.h"

namespace dormouse::api {

// <OperationResponse><OperationResult>...: the members of the output's shape in the model's order, absent ones left out,
// elements of lists as <member>, times as ISO 8601 to the second.
net::Response query_answer(const Operation& operation, const boost::json::object& output, std::string_view request_id);

// <ErrorResponse>; the fault is the sender's below 500.
net::Response query_error(int status,
                          std::string_view code,
                          std::string_view message,
                          std::string_view request_id,
                          std::string_view xml_namespace = "https://sts.amazonaws.com/doc/2011-06-15/");

}  // namespace dormouse::api
