// SPDX-License-Identifier: Apache-2.0
//
// Reading what the service answered, leniently: a member that is absent or null is empty or zero.

#pragma once

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace dormouse::cli {

std::string text_of(const boost::json::value& record, std::string_view member);
double number_of(const boost::json::value& record, std::string_view member);
const boost::json::value* member_of(const boost::json::value& record,
                                    std::string_view member);  // nullptr: none or null

// "demo" of "arn:aws:lambda:us-east-1:000000000000:microvm-image:demo".
std::string name_of_arn(std::string_view arn);

}  // namespace dormouse::cli
