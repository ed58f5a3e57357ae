// SPDX-License-Identifier: Apache-2.0

#include "api/query_answer.h"

#include <chrono>
#include <sstream>
#include <utility>

#include <boost/json.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include "api/utf8.h"
#include "aws/time.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using boost::property_tree::ptree;

// XML 1.0 has no way to write control characters but tabs and ends of lines: the others become spaces.
std::string xml_text(std::string_view value) {
  std::string text = to_utf8(value);
  for (char& character : text) {
    const bool is_white = character == '\t' || character == '\n' || character == '\r';
    character = static_cast<unsigned char>(character) < 0x20 && !is_white ? ' ' : character;
  }
  return text;
}

std::string time_text(double epoch_seconds) {
  const WallTime time{std::chrono::seconds(static_cast<std::int64_t>(epoch_seconds))};
  std::string text = aws::to_iso8601_milliseconds(time);
  return text.replace(text.find('.'), std::string::npos, "Z");
}

ptree element(const Shape& shape, const json::value& value) {
  ptree tree;
  if (shape.type == Type::kList) {
    for (const json::value& each : value.as_array()) {
      tree.push_back({"member", element(*shape.element, each)});
    }
  } else if (shape.type == Type::kMap) {
    for (const auto& [key, each] : value.as_object()) {
      ptree entry;
      entry.push_back({"key", ptree(xml_text(key))});
      entry.push_back({"value", element(*shape.element, each)});
      tree.push_back({"entry", std::move(entry)});
    }
  } else if (shape.type == Type::kStructure || shape.type == Type::kUnion) {
    for (const Member& member : shape.members) {
      const json::value* part = value.as_object().if_contains(member.name);
      if (part != nullptr && !part->is_null()) {
        tree.push_back({std::string(member.on_wire()), element(*member.shape, *part)});
      }
    }
  } else if (shape.type == Type::kTimestamp) {
    tree.data() = time_text(value.to_number<double>());
  } else if (value.is_string()) {
    tree.data() = xml_text(value.get_string());
  } else {
    tree.data() = json::serialize(value);
  }
  return tree;
}

net::Response xml_response(int status, const std::string& name, std::string_view xml_namespace, ptree content) {
  content.push_front({"<xmlattr>", ptree()});
  content.front().second.push_back({"xmlns", ptree(std::string(xml_namespace))});
  ptree document;
  document.push_back({name, std::move(content)});
  std::ostringstream text;
  boost::property_tree::write_xml(text, document, boost::property_tree::xml_writer_settings<std::string>(' ', 2));
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/xml");
  const std::string whole = text.str();
  response.body = whole.substr(whole.find("?>") + 3);  // the service writes no prolog
  return response;
}

}  // namespace

net::Response query_answer(const Operation& operation, const json::object& output, std::string_view request_id) {
  const std::string name(operation.name);
  ptree content;
  if (operation.output != nullptr) {
    content.push_back({name + "Result", element(*operation.output, output)});
  }
  ptree metadata;
  metadata.push_back({"RequestId", ptree(std::string(request_id))});
  content.push_back({"ResponseMetadata", std::move(metadata)});
  return xml_response(operation.status, name + "Response", operation.protocol->xml_namespace, content);
}

net::Response query_error(int status,
                          std::string_view code,
                          std::string_view message,
                          std::string_view request_id,
                          std::string_view xml_namespace) {
  ptree error;
  error.push_back({"Type", ptree(status < 500 ? "Sender" : "Receiver")});
  error.push_back({"Code", ptree(xml_text(code))});
  error.push_back({"Message", ptree(xml_text(message))});
  ptree content;
  content.push_back({"Error", std::move(error)});
  content.push_back({"RequestId", ptree(std::string(request_id))});
  return xml_response(status, "ErrorResponse", xml_namespace, content);
}

}  // namespace dormouse::api
