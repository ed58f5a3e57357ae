// SPDX-License-Identifier: Apache-2.0

#include "api/decode.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/uri.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Value = tl::expected<json::value, Refusal>;

std::string_view token_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::bool_: return value.get_bool() ? "TRUE_VALUE" : "FALSE_VALUE";
    case json::kind::string: return "STRING_VALUE";
    default: return "NUMBER_VALUE";
  }
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kInteger: return "an Integer";
    case Type::kLong: return "a Long";
    case Type::kBoolean: return "a Boolean";
    case Type::kTimestamp: return "a Timestamp";
    default: return "a String";
  }
}

// The words of the service's parser for a value of the wrong kind.
Refusal wrong_type(const json::value& value, Type wanted) {
  if (wanted == Type::kList) {
    return serialization("Expected list or null");
  }
  if (wanted == Type::kStructure || wanted == Type::kUnion || wanted == Type::kMap) {
    return serialization(value.is_array() ? "Start of list found where not expected" : "Expected null");
  }
  if (value.is_array()) {
    return serialization("Start of list found where not expected");
  }
  if (value.is_object()) {
    return serialization("Start of structure or map found where not expected.");
  }
  return serialization(fmt::format("{} can not be converted to {}", token_name(value), type_name(wanted)));
}

std::optional<std::int64_t> whole_number(const json::value& value) {
  if (value.is_int64()) {
    return value.get_int64();
  }
  constexpr double kExactMax = 9007199254740992.0;
  if (value.is_double() && std::abs(value.get_double()) <= kExactMax &&
      std::trunc(value.get_double()) == value.get_double()) {
    return static_cast<std::int64_t>(value.get_double());
  }
  return std::nullopt;
}

Value convert(const Shape& shape, const json::value& value);

Value convert_number(const Shape& shape, const json::value& value) {
  const std::optional<std::int64_t> number = whole_number(value);
  const bool fits = number && (shape.type == Type::kLong || (*number >= std::numeric_limits<std::int32_t>::min() &&
                                                             *number <= std::numeric_limits<std::int32_t>::max()));
  if (!fits) {
    return deny(wrong_type(value, shape.type));
  }
  return json::value(*number);
}

Value convert_list(const Shape& shape, const json::array& elements) {
  json::array converted;
  converted.reserve(elements.size());
  for (const json::value& element : elements) {
    if (element.is_null()) {
      converted.emplace_back(nullptr);
      continue;
    }
    Value one = convert(*shape.element, element);
    if (!one) {
      return one;
    }
    converted.push_back(*std::move(one));
  }
  return json::value(std::move(converted));
}

Value convert_map(const Shape& shape, const json::object& entries) {
  json::object converted;
  converted.reserve(entries.size());
  for (const auto& [key, entry] : entries) {
    if (entry.is_null()) {
      converted[key] = nullptr;
      continue;
    }
    Value one = convert(*shape.element, entry);
    if (!one) {
      return one;
    }
    converted[key] = *std::move(one);
  }
  return json::value(std::move(converted));
}

// Puts the body's members among `members` into `target`.
tl::expected<void, Refusal> convert_members(std::span<const Member> members,
                                            const json::object& source,
                                            json::object& target) {
  for (const Member& member : members) {
    const json::value* value = member.location == Location::kBody ? source.if_contains(member.on_wire()) : nullptr;
    if (value == nullptr || value->is_null()) {
      continue;
    }
    Value one = convert(*member.shape, *value);
    if (!one) {
      return deny(std::move(one).error());
    }
    target[member.name] = *std::move(one);
  }
  return {};
}

Value convert(const Shape& shape, const json::value& value) {
  switch (shape.type) {
    case Type::kString: return value.is_string() ? Value(value) : deny(wrong_type(value, shape.type));
    case Type::kBoolean: return value.is_bool() ? Value(value) : deny(wrong_type(value, shape.type));
    case Type::kTimestamp: return value.is_number() ? Value(value) : deny(wrong_type(value, shape.type));
    case Type::kInteger:
    case Type::kLong: return convert_number(shape, value);
    case Type::kList:
      return value.is_array() ? convert_list(shape, value.get_array()) : deny(wrong_type(value, shape.type));
    case Type::kMap:
      return value.is_object() ? convert_map(shape, value.get_object()) : deny(wrong_type(value, shape.type));
    case Type::kStructure:
    case Type::kUnion: {
      if (!value.is_object()) {
        return deny(wrong_type(value, shape.type));
      }
      json::object converted;
      if (auto done = convert_members(shape.members, value.get_object(), converted); !done) {
        return deny(std::move(done).error());
      }
      return json::value(std::move(converted));
    }
  }
  return deny(wrong_type(value, shape.type));
}

// A label or query value, which is text whatever its type.
Value convert_text(const Shape& shape, std::string_view text) {
  const json::value as_string(text);
  if (shape.type == Type::kString) {
    return as_string;
  }
  if (shape.type == Type::kBoolean && (text == "true" || text == "false")) {
    return json::value(text == "true");
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = shape.type == Type::kInteger || shape.type == Type::kLong;
  if (!is_number || error != std::errc() || end != text.data() + text.size()) {
    return deny(wrong_type(as_string, shape.type));
  }
  Value converted = convert_number(shape, json::value(number));
  return converted ? converted : deny(wrong_type(as_string, shape.type));
}

tl::expected<void, Refusal> take_query(std::span<const Member> members, std::string_view query, json::object& input) {
  const auto parameters = parse_query(query);
  if (!parameters) {
    return deny(validation(fmt::format("The query '{}' is not percent-encoded UTF-8", query)));
  }
  for (const Member& member : members) {
    for (const Parameter& parameter : *parameters) {
      if (member.location != Location::kQuery || member.on_wire() != parameter.name) {
        continue;
      }
      if (parameter.raw_equals_in_value && parameter.name == "nextToken") {  // as the service, section 1.7
        return deny({400, "ValidationException", R"({"message":null})", std::nullopt});
      }
      const bool repeated = member.shape->type == Type::kList;
      Value value = convert_text(repeated ? *member.shape->element : *member.shape, parameter.value);
      if (!value) {
        return deny(std::move(value).error());
      }
      if (repeated) {
        json::value& elements = input[member.name];
        if (!elements.is_array()) {
          elements.emplace_array();
        }
        elements.get_array().push_back(*std::move(value));
      } else {
        input[member.name] = *std::move(value);
      }
    }
  }
  return {};
}

tl::expected<void, Refusal> take_body(std::span<const Member> members, std::string_view body, json::object& input) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return {};
  }
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::stream_parser parser({}, options);
  json::error_code error;
  const std::size_t consumed = parser.write_some(body.data(), body.size(), error);
  const bool trailing = !error && consumed < body.size();
  if (!error && !trailing) {
    parser.finish(error);
  }
  if (error || trailing) {
    return deny(serialization(fmt::format("The request body is not valid JSON at byte {}: {}",
                                          consumed,
                                          trailing ? "text after the value" : error.message())));
  }
  const json::value value = parser.release();
  if (value.is_null()) {
    return {};
  }
  if (!value.is_object()) {
    return deny(wrong_type(value, Type::kStructure));
  }
  return convert_members(members, value.get_object(), input);
}

}  // namespace

tl::expected<json::object, Refusal> decode_input(const Route& route, std::string_view query, std::string_view body) {
  json::object input;
  const std::span<const Member> members = route.operation->input->members;
  for (const auto& [name, value] : route.labels) {
    input[name] = value;
  }
  if (auto done = take_query(members, query, input); !done) {
    return deny(std::move(done).error());
  }
  bool has_body = false;
  for (const Member& member : members) {
    has_body = has_body || member.location == Location::kBody;
  }
  if (has_body) {
    if (auto done = take_body(members, body, input); !done) {
      return deny(std::move(done).error());
    }
  }
  for (const Member& member : members) {
    if (!member.fallback.empty() && !input.contains(member.name)) {
      input[member.name] = json::parse(member.fallback);
    }
  }
  return input;
}

}  // namespace dormouse::api
