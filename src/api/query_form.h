// SPDX-License-Identifier: Apache-2.0
//
// The forms of the AWS query protocol: "RoleName=a&Tags.member.1.Key=k&Tags.member.1.Value=v". Source: "AWS Query protocol",
// Smithy specification.

#pragma once

#include <map>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>
#include <tl/expected.hpp>

#include "api/model.h"

namespace dormouse::api {

using QueryForm = std::map<std::string, std::string, std::less<>>;

// The parameters of the query and of the body together, decoded; of a name that comes twice the first. What does not decode
// or is not UTF-8 is refused in a sentence.
tl::expected<QueryForm, std::string> parse_form(std::string_view query, std::string_view body);

// The members of `shape` in the form, as decode_input() gives them for JSON: absent ones left out, integers as int64. Lists
// are "Name.member.N" in the order of N, maps "Name.entry.N.key" and ".value". Refused, in a sentence: a number or boolean
// that is none. Unknown parameters are ignored.
tl::expected<boost::json::object, std::string> decode_form(const Shape& shape, const QueryForm& form);

}  // namespace dormouse::api
