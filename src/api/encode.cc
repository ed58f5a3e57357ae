// SPDX-License-Identifier: Apache-2.0

#include "api/encode.h"

#include <chrono>
#include <cmath>

#include <boost/json.hpp>

#include "api/utf8.h"
#include "aws/time.h"
#include "base/clock.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

std::string iso_text(double seconds) {
  const std::chrono::milliseconds time(std::llround(seconds * 1000.0));
  return aws::to_iso8601_milliseconds(WallTime(time));
}

json::value encode(const Protocol& protocol, const Shape& shape, const json::value& value);

json::value encode_members(const Protocol& protocol, const Shape& shape, const json::object& object) {
  const bool nulls = protocol.nulls_for_absent && shape.type == Type::kStructure;
  json::object encoded;
  encoded.reserve(shape.members.size());
  for (const Member& member : shape.members) {
    const json::value* value = object.if_contains(member.name);
    if (value != nullptr && !value->is_null()) {
      encoded[member.name] = encode(protocol, *member.shape, *value);
    } else if (nulls) {
      encoded[member.name] = nullptr;
    }
  }
  return encoded;
}

json::value encode(const Protocol& protocol, const Shape& shape, const json::value& value) {
  switch (shape.type) {
    case Type::kString:
      return value.is_string() && !is_utf8(value.get_string()) ? json::value(to_utf8(value.get_string())) : value;
    case Type::kTimestamp: return protocol.iso_timestamps ? json::value(iso_text(value.to_number<double>())) : value;
    case Type::kList: {
      json::array encoded;
      for (const json::value& element : value.as_array()) {
        encoded.push_back(encode(protocol, *shape.element, element));
      }
      return encoded;
    }
    case Type::kStructure:
    case Type::kUnion: return encode_members(protocol, shape, value.as_object());
    default: return value;
  }
}

}  // namespace

std::string encode_output(const Operation& operation, const json::object& output) {
  if (operation.output == nullptr) {
    return "";
  }
  return json::serialize(encode_members(*operation.protocol, *operation.output, output));
}

}  // namespace dormouse::api
