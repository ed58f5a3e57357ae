// SPDX-License-Identifier: Apache-2.0
//
// Recorded answers to inputs that break the model's constraints, made from the model: for each operation and each kind of
// constraint one request in which every member that has such a constraint breaks it, as <Operation>/violates_<kind>.

#include "api/golden.h"
#include "api/schema_examples.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

bool is_number(const Shape& shape) { return shape.type == Type::kInteger || shape.type == Type::kLong; }

json::value list_of(const Shape& shape, std::int64_t count) {
  json::array list;
  json::object map;
  for (std::int64_t index = 0; index < count; ++index) {
    list.push_back(example(*shape.element));
    map["k" + std::to_string(index)] = example(*shape.element);
  }
  return shape.type == Type::kMap ? json::value(map) : json::value(list);
}

using Spoil = std::optional<json::value> (*)(const Member& member);

std::optional<json::value> too_long(const Member& member) {
  const Shape& shape = *member.shape;
  if (is_number(shape) || shape.maximum == kNoMaximum) {
    return std::nullopt;
  }
  if (shape.type != Type::kString) {
    return list_of(shape, shape.maximum + 1);
  }
  std::string text = example_text(shape);
  text.resize(static_cast<std::size_t>(shape.maximum) + 1, 'a');
  return json::value(text);
}

std::optional<json::value> too_short(const Member& member) {
  const Shape& shape = *member.shape;
  if (is_number(shape) || shape.minimum <= 0 || member.location == Location::kLabel) {
    return std::nullopt;  // an empty label is another path
  }
  if (shape.type != Type::kString) {
    return list_of(shape, shape.minimum - 1);
  }
  return json::value(std::string(static_cast<std::size_t>(shape.minimum) - 1, 'a'));
}

std::optional<json::value> too_large(const Member& member) {
  const Shape& shape = *member.shape;
  return is_number(shape) && shape.maximum != kNoMaximum ? std::optional<json::value>(shape.maximum + 1) : std::nullopt;
}

std::optional<json::value> too_small(const Member& member) {
  const Shape& shape = *member.shape;
  return is_number(shape) && shape.minimum != kNoMinimum ? std::optional<json::value>(shape.minimum - 1) : std::nullopt;
}

std::optional<json::value> pattern(const Member& member) {
  if (member.shape->pattern.empty()) {
    return std::nullopt;
  }
  return json::value(example_text(*member.shape) + " *!");
}

std::optional<json::value> enumeration(const Member& member) {
  return member.shape->values.empty() ? std::nullopt : std::optional<json::value>("FLYING");
}

std::optional<json::value> union_of_none(const Member& member) {
  return member.shape->type == Type::kUnion ? std::optional<json::value>(json::object()) : std::nullopt;
}

std::optional<json::value> null(const Member& member) {
  const bool missing = member.presence == Presence::kRequired && member.location != Location::kLabel;
  return missing ? std::optional<json::value>(nullptr) : std::nullopt;
}

// Elements of lists and values of maps that are null or break their own constraints.
std::optional<json::value> elements(const Member& member) {
  const Shape& shape = *member.shape;
  if (shape.element == nullptr || shape.element->type != Type::kString || member.location != Location::kBody) {
    return std::nullopt;
  }
  const bool constrained = shape.element->maximum != kNoMaximum && !shape.element->sensitive;
  const std::string long_text(constrained ? static_cast<std::size_t>(shape.element->maximum) + 1 : 1, 'a');
  if (shape.type == Type::kMap) {
    return json::object{{"a key", nullptr}, {"k", long_text}};
  }
  return json::array{nullptr, long_text};
}

struct Kind {
  const char* name;
  Spoil spoil;
};

constexpr Kind kKinds[] = {
    {"null", null},
    {"too_long", too_long},
    {"too_short", too_short},
    {"too_large", too_large},
    {"too_small", too_small},
    {"pattern", pattern},
    {"enumeration", enumeration},
    {"union", union_of_none},
    {"elements", elements},
};

// What breaks that constraint wherever `operation` has it; nothing if it has it nowhere.
std::optional<json::object> spoilt(const Operation& operation, const Kind& kind) {
  json::object input = example(*operation.input).as_object();
  bool spoilt = false;
  for (const Member& member : operation.input->members) {
    const auto value = kind.spoil(member);
    if (!value) {
      continue;
    }
    spoilt = true;
    if (value->is_null()) {
      input.erase(member.name);
    } else {
      input[member.name] = *value;
    }
  }
  return spoilt ? std::optional(std::move(input)) : std::nullopt;
}

TEST(GoldenViolationsTest, EveryKindForEveryOperation) {
  TestWorld world;
  for (const Operation* operation : all_operations()) {
    for (const Kind& kind : kKinds) {
      const auto input = spoilt(*operation, kind);
      if (!input) {
        continue;
      }
      const Placed placed = place_input(*operation, *input);
      const TestRequest request{std::string(operation->method),
                                placed.path + (placed.query.empty() ? "" : "?" + placed.query),
                                placed.has_body ? json::serialize(placed.body) : ""};
      const std::string name = fmt::format("{}/violates_{}", operation->name, kind.name);
      const net::Response response = check(world, name, request);
      EXPECT_EQ(response.status, 400) << name;
      EXPECT_EQ(response.headers.find("x-amzn-errortype"), "ValidationException") << name;
    }
  }
}

TEST(GoldenViolationsTest, EveryKindForEveryForm) {
  TestWorld world;
  for (const Operation* operation : query_operations()) {
    for (const Kind& kind : kKinds) {
      const auto input = spoilt(*operation, kind);
      if (!input || kind.spoil == elements) {  // a form holds no null
        continue;
      }
      QueryForm form;
      put_in_form(*input, "", form);
      std::string body = fmt::format("Action={}&Version={}", operation->name, operation->protocol->version);
      for (const auto& [field, value] : form) {
        body += fmt::format("&{}={}", field, aws::percent_encode(value, aws::Slash::kEncode));
      }
      const std::string name = fmt::format("{}/violates_{}", operation->name, kind.name);
      const net::Response response = check(world,
                                           name,
                                           {"POST",
                                            "/",
                                            body,
                                            std::string(operation->protocol->service),
                                            {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}});
      EXPECT_EQ(response.status, 400) << name;
      EXPECT_NE(std::get<std::string>(response.body).find("<Code>ValidationError</Code>"), std::string::npos) << name;
    }
  }
}

}  // namespace
}  // namespace dormouse::api
