// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "api/model.h"
#include "api/refusal.h"

namespace dormouse::api {

// Every operation of the contract that has a path, in the order of the tables.
const std::vector<const Operation*>& all_operations();

// Those of the query protocol, which have no path of their own: they are named by the form's Action.
const std::vector<const Operation*>& query_operations();

// Why a quota of this name has no meaning: it is the rate of an operation that is not there. Nothing: it has one.
std::optional<std::string> why_no_operation(std::string_view quota);

struct Route {
  const Operation* operation = nullptr;
  std::vector<std::pair<std::string_view, std::string>> labels;  // member name and decoded value
};

// Which operation a request names. A label is one whole segment: an ARN's colons may be raw or percent-encoded, a slash
// in it must be encoded. A path that no operation has is 404 UnknownOperationException, as is a method that none there
// takes; the message says which.
tl::expected<Route, Refusal> route(std::string_view method, std::string_view raw_path);

}  // namespace dormouse::api
