// SPDX-License-Identifier: Apache-2.0

#include "cli/record.h"

#include <boost/json.hpp>

namespace dormouse::cli {

namespace json = boost::json;

const json::value* member_of(const json::value& record, std::string_view member) {
  const json::object* const object = record.if_object();
  const json::value* const found = object == nullptr ? nullptr : object->if_contains(member);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text_of(const json::value& record, std::string_view member) {
  const json::value* const found = member_of(record, member);
  if (found == nullptr) {
    return "";
  }
  return found->is_string() ? std::string(found->as_string()) : json::serialize(*found);
}

double number_of(const json::value& record, std::string_view member) {
  const json::value* const found = member_of(record, member);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

std::string name_of_arn(std::string_view arn) {
  const auto colon = arn.rfind(':');
  return std::string(colon == std::string_view::npos ? arn : arn.substr(colon + 1));
}

}  // namespace dormouse::cli
