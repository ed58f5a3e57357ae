// SPDX-License-Identifier: Apache-2.0
//
// Reading a decoded input. The constraint layer has seen it, so members have their types and required ones are there.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "control/records.h"

namespace dormouse::api {

std::string required_text(const boost::json::object& input, std::string_view member);
std::optional<std::string> optional_text(const boost::json::object& input, std::string_view member);
std::optional<int> optional_number(const boost::json::object& input, std::string_view member);
std::optional<std::vector<std::string>> optional_texts(const boost::json::object& input, std::string_view member);
std::optional<std::map<std::string, std::string>> optional_text_map(const boost::json::object& input,
                                                                    std::string_view member);

control::ImageSpecification image_specification(const boost::json::object& input);
control::RunRequest run_request(const boost::json::object& input);
control::ForkRequest fork_request(const boost::json::object& input);

// SHA-256 over the members in a canonical form, without the client token: what "the same request" means for idempotency.
std::string request_digest(const boost::json::object& input);

// What a page token is bound to: account, operation and the members of the input, without those that page.
std::string page_scope(std::string_view account, std::string_view operation, const boost::json::object& input);

}  // namespace dormouse::api
