// SPDX-License-Identifier: Apache-2.0

#include "cli/query_answer.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include <boost/json.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <fmt/format.h>

namespace dormouse::cli {
namespace {

namespace json = boost::json;
using boost::property_tree::ptree;

constexpr int kDepthMax = 20;
constexpr std::string_view kAttributes = "<xmlattr>";

std::optional<ptree> parsed(const std::string& body) {
  std::istringstream text(body);
  ptree document;
  try {
    boost::property_tree::read_xml(text, document, boost::property_tree::xml_parser::no_comments);
  } catch (const boost::property_tree::xml_parser_error&) {
    return std::nullopt;
  }
  return document;
}

json::value value_of(const ptree& element, int depth) {
  json::object members;
  json::array items;
  for (const auto& [name, child] : element) {
    if (name == kAttributes || depth >= kDepthMax) {
      continue;
    }
    if (name == "member") {
      items.push_back(value_of(child, depth + 1));
    } else {
      members[name] = value_of(child, depth + 1);
    }
  }
  if (!items.empty()) {
    return items;
  }
  return members.empty() ? json::value(element.data()) : json::value(std::move(members));
}

}  // namespace

Result<json::value> query_result(std::string_view action, const std::string& body) {
  const std::string name(action);
  const std::optional<ptree> document = parsed(body);
  const auto response = document ? document->get_child_optional(name + "Response") : boost::none;
  if (!response) {
    return fail(ErrorKind::kInternal, fmt::format("{0}: the answer is no {0}Response in XML", action));
  }
  const auto result = response->get_child_optional(name + "Result");
  json::value content = result ? value_of(*result, 0) : json::value(json::object());
  return content.is_object() ? std::move(content) : json::value(json::object());
}

std::string query_message(const std::string& body) {
  const std::optional<ptree> document = parsed(body);
  return document ? document->get("ErrorResponse.Error.Message", "") : "";
}

}  // namespace dormouse::cli
