// SPDX-License-Identifier: Apache-2.0
//
// For tests: values made from the model's shapes, and requests made from inputs.

#pragma once

#include <algorithm>
#include <string>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/operations.h"
#include "api/query_form.h"
#include "api/shapes.h"
#include "aws/encoding.h"

namespace dormouse::api {

// A value that keeps the shape's constraints.
inline std::string example_text(const Shape& shape) {
  if (!shape.values.empty()) {
    return std::string(shape.values.front());
  }
  if (shape.pattern.find(":role/") != std::string_view::npos) {
    return "arn:aws:iam::000000000000:role/builder";
  }
  if (shape.name == "TaggableResource") {
    return "arn:aws:lambda:us-east-1:000000000000:microvm-image:demo";
  }
  if (shape.pattern.starts_with("sg-") || shape.pattern.starts_with("subnet-")) {
    return std::string(shape.pattern.substr(0, shape.pattern.find('-') + 1)) + "1";
  }
  if (shape.name == "pathType" || shape.name == "pathPrefixType") {
    return "/";
  }
  return std::string(static_cast<std::size_t>(std::max<std::int64_t>(shape.minimum, 1)), 'a');
}

// One of that many characters, of a shape whose example can be made longer.
inline std::string example_of_length(const Shape& shape, std::int64_t length) {
  std::string text = example_text(shape);
  text.resize(static_cast<std::size_t>(length), 'a');
  if (shape.name == "pathType") {
    text.back() = '/';
  }
  return text;
}

inline boost::json::value example(const Shape& shape) {
  switch (shape.type) {
    case Type::kString: return boost::json::value(example_text(shape));
    case Type::kInteger:
    case Type::kLong: return std::max<std::int64_t>(shape.minimum, 1);
    case Type::kBoolean: return true;
    case Type::kTimestamp: return 1.5;
    case Type::kList: return boost::json::array{example(*shape.element)};
    case Type::kMap: {
      boost::json::object map;
      map[example_text(*shape.key)] = example(*shape.element);
      return map;
    }
    case Type::kUnion: {
      boost::json::object members;
      if (!shape.members.empty()) {
        members[shape.members.front().name] = example(*shape.members.front().shape);
      }
      return members;
    }
    case Type::kStructure: {
      boost::json::object members;
      for (const Member& member : shape.members) {
        members[member.name] = example(*member.shape);
      }
      return members;
    }
  }
  return nullptr;
}

// The form of the query protocol, without an Action; what begins with `prefix` is `value`.
inline void put_in_form(const boost::json::value& value, const std::string& prefix, QueryForm& form) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.get_object()) {
      put_in_form(member, prefix + (prefix.empty() ? "" : ".") + std::string(key), form);
    }
  } else if (value.is_array()) {
    int number = 0;
    for (const boost::json::value& element : value.get_array()) {
      put_in_form(element, fmt::format("{}.member.{}", prefix, ++number), form);
    }
  } else if (!value.is_null()) {
    form[prefix] = value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
  }
}

// Where an input goes in a request.
struct Placed {
  std::string path;
  std::string query;
  boost::json::object body;
  bool has_body = false;
};

inline std::string encoded(const boost::json::value& value) {
  const std::string text = value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
  return aws::percent_encode(text, aws::Slash::kEncode);
}

inline Placed place_input(const Operation& operation, const boost::json::object& input) {
  Placed placed;
  placed.path = operation.uri;
  for (const Member& member : operation.input->members) {
    placed.has_body = placed.has_body || member.location == Location::kBody;
    const boost::json::value* value = input.if_contains(member.name);
    if (value == nullptr) {
      continue;
    }
    if (member.location == Location::kLabel) {
      const std::string label = fmt::format("{{{}}}", member.name);
      placed.path.replace(placed.path.find(label), label.size(), encoded(*value));
    } else if (member.location == Location::kQuery) {
      const boost::json::array values = value->is_array() ? value->get_array() : boost::json::array{*value};
      for (const boost::json::value& one : values) {
        placed.query += fmt::format("{}{}={}", placed.query.empty() ? "" : "&", member.on_wire(), encoded(one));
      }
    } else {
      placed.body[member.on_wire()] = *value;
    }
  }
  return placed;
}

}  // namespace dormouse::api
