// SPDX-License-Identifier: Apache-2.0
//
// For every member of every operation's input, nested ones too: missing, null, of a wrong type, too short, too long, at its
// bounds, against its pattern, out of its enumeration; and what the service says to each. Driven by the model, so a new
// member is covered by being there.

#include <functional>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/schema_places.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

TEST(SchemaTest, ExamplesAreAccepted) {
  const Wire wire;
  for (const Operation* operation : operations_and_forms()) {
    EXPECT_EQ(wire.refusal(*operation, example(*operation->input).as_object()), "") << operation->name;
  }
}

TEST(SchemaTest, AMissingMemberIsRefusedIfRequired) {
  const Wire wire;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    if (place.member->location == Location::kLabel || place.in_union) {
      return;
    }
    std::vector<std::string> parent = place.keys;
    parent.pop_back();
    json::object& holder = parent.empty() ? input : find(input, parent)->as_object();
    holder.erase(place.member->name);
    const bool required = place.member->presence == Presence::kRequired;
    EXPECT_EQ(wire.refusal(operation, input),
              required ? "1 validation error detected: " + violation(place, " null", "Member must not be null") : "");
  });
}

TEST(SchemaTest, ANullMemberCountsAsMissing) {
  const Wire wire;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    if (place.member->location != Location::kBody || place.in_union) {
      return;
    }
    *find(input, place.keys) = nullptr;
    const bool required = place.member->presence == Presence::kRequired;
    EXPECT_EQ(wire.refusal(operation, input),
              required ? "1 validation error detected: " + violation(place, " null", "Member must not be null") : "");
  });
}

TEST(SchemaTest, AWrongTypeIsASerializationException) {
  const Wire wire;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Type type = place.member->shape->type;
    if (place.member->location == Location::kLabel ||
        (place.member->location == Location::kQuery && (type == Type::kString || type == Type::kList))) {
      return;
    }
    json::value wrong = "x";
    std::string_view message = "Expected null";
    switch (type) {
      case Type::kString:
        wrong = 7;
        message = "NUMBER_VALUE can not be converted to a String";
        break;
      case Type::kInteger: message = "STRING_VALUE can not be converted to an Integer"; break;
      case Type::kLong: message = "STRING_VALUE can not be converted to a Long"; break;
      case Type::kBoolean: message = "STRING_VALUE can not be converted to a Boolean"; break;
      case Type::kTimestamp: message = "STRING_VALUE can not be converted to a Timestamp"; break;
      case Type::kList: message = "Expected list or null"; break;
      default: break;
    }
    *find(input, place.keys) = wrong;
    EXPECT_EQ(wire.refusal(operation, input), fmt::format("SerializationException: {{\"Message\":\"{}\"}}", message));
  });
}

TEST(SchemaTest, ANumberThatIsNoneIsRefusedInAForm) {
  const Wire wire;
  int checked = 0;
  const auto test = [&](const Operation& operation, const Place& place, json::object input) {
    const Type type = place.member->shape->type;
    if (type == Type::kInteger || type == Type::kLong) {
      *find(input, place.keys) = "7x";
      EXPECT_EQ(wire.refusal(operation, input), fmt::format("'7x' at '{}' is no integer", place.member->name));
      ++checked;
    }
  };
  for_each_member(test, query_operations());
  EXPECT_GE(checked, 5);
}

TEST(SchemaTest, NumbersAreHeldToTheirBounds) {
  const Wire wire;
  int checked = 0;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kInteger && shape.type != Type::kLong) {
      return;
    }
    json::value* value = find(input, place.keys);
    if (shape.minimum != kNoMinimum) {
      *value = shape.minimum;
      EXPECT_EQ(wire.refusal(operation, input), "");
      *value = shape.minimum - 1;
      EXPECT_EQ(wire.refusal(operation, input),
                "1 validation error detected: " +
                    violation(place,
                              fmt::format(" '{}'", shape.minimum - 1),
                              fmt::format("Member must have value greater than or equal to {}", shape.minimum)));
      ++checked;
    }
    if (shape.maximum != kNoMaximum) {
      *value = shape.maximum;
      EXPECT_EQ(wire.refusal(operation, input), "");
      *value = shape.maximum + 1;
      EXPECT_EQ(wire.refusal(operation, input),
                "1 validation error detected: " +
                    violation(place,
                              fmt::format(" '{}'", shape.maximum + 1),
                              fmt::format("Member must have value less than or equal to {}", shape.maximum)));
      ++checked;
    }
  });
  EXPECT_GT(checked, 40);
}

TEST(SchemaTest, TextIsHeldToItsLengths) {
  const Wire wire;
  int checked = 0;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kString || !shape.values.empty()) {
      return;
    }
    json::value* value = find(input, place.keys);
    if (shape.maximum != kNoMaximum) {
      std::string text = example_of_length(shape, shape.maximum);
      *value = text;
      EXPECT_EQ(wire.refusal(operation, input), "");
      text += 'a';
      *value = text;
      EXPECT_THAT(wire.refusal(operation, input),
                  HasSubstr(violation(place,
                                      quoted(shape, text),
                                      fmt::format("Member must have length less than or equal to {}", shape.maximum))));
      ++checked;
    }
    if (shape.minimum > 0 && place.member->location != Location::kLabel) {
      const std::string text(static_cast<std::size_t>(shape.minimum) - 1, 'a');
      *value = text;
      EXPECT_THAT(
          wire.refusal(operation, input),
          HasSubstr(violation(place,
                              quoted(shape, text),
                              fmt::format("Member must have length greater than or equal to {}", shape.minimum))));
      ++checked;
    }
  });
  EXPECT_GE(checked, 80);
}

TEST(SchemaTest, TextIsHeldToItsPattern) {
  const Wire wire;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kString || shape.pattern.empty()) {
      return;
    }
    const std::string text = example_text(shape) + (shape.pattern == "[^:*]*" ? "*" : " \t!\x01");
    *find(input, place.keys) = text;
    EXPECT_EQ(wire.refusal(operation, input),
              "1 validation error detected: " +
                  violation(place,
                            quoted(shape, text),
                            fmt::format("Member must satisfy regular expression pattern: {}", shape.pattern)));
  });
}

TEST(SchemaTest, EnumerationsAreHeldToTheirValues) {
  const Wire wire;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.values.empty()) {
      return;
    }
    *find(input, place.keys) = "FLYING";
    EXPECT_EQ(wire.refusal(operation, input),
              "1 validation error detected: " +
                  violation(place,
                            " 'FLYING'",
                            fmt::format("Member must satisfy enum value set: [{}]", fmt::join(shape.values, ", "))));
  });
}

TEST(SchemaTest, ListsAndMapsAreHeldToTheirSizes) {
  const Wire wire;
  int checked = 0;
  for_each_member_and_field([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if ((shape.type != Type::kList && shape.type != Type::kMap) || place.member->location != Location::kBody) {
      return;
    }
    const auto filled = [&](std::int64_t count) {
      json::object map;
      json::array list;
      for (std::int64_t index = 0; index < count; ++index) {
        map["k" + std::to_string(index)] = shape.type == Type::kMap ? example(*shape.element) : json::value();
        list.push_back(example(*shape.element));
      }
      return shape.type == Type::kMap ? json::value(map) : json::value(list);
    };
    if (shape.maximum != kNoMaximum) {
      *find(input, place.keys) = filled(shape.maximum);
      EXPECT_EQ(wire.refusal(operation, input), "");
      *find(input, place.keys) = filled(shape.maximum + 1);
      EXPECT_THAT(wire.refusal(operation, input),
                  HasSubstr(fmt::format("at '{}' failed to satisfy constraint: Member must have length less than or "
                                        "equal to {}",
                                        place.path,
                                        shape.maximum)));
      ++checked;
    }
    if (shape.minimum > 0) {
      *find(input, place.keys) = filled(0);
      EXPECT_THAT(
          wire.refusal(operation, input),
          HasSubstr(violation(
              place, " '[]'", fmt::format("Member must have length greater than or equal to {}", shape.minimum))));
      ++checked;
    }
  });
  EXPECT_GE(checked, 8);
}

TEST(SchemaTest, AUnionTakesExactlyOneMember) {
  const Wire wire;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kUnion) {
      return;
    }
    *find(input, place.keys) = json::object();
    EXPECT_THAT(wire.refusal(operation, input), HasSubstr("Member must have exactly one of these members set: ["));
    json::object all;
    for (const Member& member : shape.members) {
      all[member.name] = example(*member.shape);
    }
    *find(input, place.keys) = all;
    EXPECT_EQ(wire.refusal(operation, input).empty(), shape.members.size() == 1);
  });
}

TEST(SchemaTest, UnknownMembersAreIgnored) {
  const Wire wire;
  for (const Operation* operation : every_operation()) {
    const Member* body_member = nullptr;
    for (const Member& member : operation->input->members) {
      body_member = member.location == Location::kBody ? &member : body_member;
    }
    if (body_member == nullptr) {
      continue;
    }
    const auto found = route_of(*operation, std::string(operation->uri));
    ASSERT_TRUE(found) << operation->name;
    const auto input = decode_input(*found, "unheardOf=1", R"({"unheardOf":{"deep":[1,2]}})");
    ASSERT_TRUE(input) << input.error().body;
    EXPECT_FALSE(input->contains("unheardOf"));
  }
}

}  // namespace
}  // namespace dormouse::api
