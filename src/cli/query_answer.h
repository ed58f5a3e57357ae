// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/error.h"

namespace dormouse::cli {

// Reads answers of the query protocol (`iam`, `sts`): XML, of which only the service knows which element is a list or a number.
// So a list is what has `member`s, and everything that has no elements is a text, an empty list too.

// The content of <ActionResult>, {} if there is none. kInternal when that is no answer to `action`.
Result<boost::json::value> query_result(std::string_view action, const std::string& body);

// The <Message> of a refusal; empty when the body is none.
std::string query_message(const std::string& body);

}  // namespace dormouse::cli
