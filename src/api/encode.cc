// SPDX-License-Identifier: Apache-2.0

#include "api/encode.h"

#include <chrono>
#include <cmath>
#include <utility>

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

// Appends text instead of making another value: an answer may hold ten thousand log events.
void append(std::string& text, const Protocol& protocol, const Shape& shape, const json::value& value);

void append_members(std::string& text, const Protocol& protocol, const Shape& shape, const json::object& object) {
  const bool nulls = protocol.nulls_for_absent && shape.type == Type::kStructure;
  char separator = '{';
  for (const Member& member : shape.members) {
    const json::value* const value = object.if_contains(member.name);
    const bool present = value != nullptr && !value->is_null();
    if (!present && !nulls) {
      continue;
    }
    text += std::exchange(separator, ',');
    text += '"';
    text += member.name;
    text += "\":";
    if (present) {
      append(text, protocol, *member.shape, *value);
    } else {
      text += "null";
    }
  }
  text += separator == '{' ? "{}" : "}";
}

void append(std::string& text, const Protocol& protocol, const Shape& shape, const json::value& value) {
  switch (shape.type) {
    case Type::kString:
      text += value.is_string() && !is_utf8(value.get_string())
                  ? json::serialize(json::value(to_utf8(value.get_string())))
                  : json::serialize(value);
      return;
    case Type::kTimestamp:
      text += protocol.iso_timestamps ? json::serialize(json::value(iso_text(value.to_number<double>())))
                                      : json::serialize(value);
      return;
    case Type::kList: {
      char separator = '[';
      for (const json::value& element : value.as_array()) {
        text += std::exchange(separator, ',');
        append(text, protocol, *shape.element, element);
      }
      text += separator == '[' ? "[]" : "]";
      return;
    }
    case Type::kStructure:
    case Type::kUnion: append_members(text, protocol, shape, value.as_object()); return;
    default: text += json::serialize(value); return;
  }
}

}  // namespace

std::string encode_output(const Operation& operation, const json::object& output) {
  std::string text;
  if (operation.output != nullptr) {
    append_members(text, *operation.protocol, *operation.output, output);
  }
  return text;
}

}  // namespace dormouse::api
