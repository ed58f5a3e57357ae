// SPDX-License-Identifier: Apache-2.0
//
// As schema_test.cc, deeper: every kind of JSON value in every place, numbers that fit no integer, lengths in characters and in
// bytes, elements of lists, keys and values of maps, and unknown members at every level.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/schema_places.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kListFound = "Start of list found where not expected";
constexpr const char* kStructureFound = "Start of structure or map found where not expected.";

// What the service's parser says to `value` where `type` is wanted; nothing if it takes it.
std::string serialization_message(Type type, const json::value& value) {
  const bool wants_object = type == Type::kStructure || type == Type::kUnion || type == Type::kMap;
  if (type == Type::kList) {
    return value.is_array() ? "" : "Expected list or null";
  }
  if (wants_object) {
    return value.is_object() ? "" : value.is_array() ? kListFound : "Expected null";
  }
  if (value.is_array() || value.is_object()) {
    return value.is_array() ? kListFound : kStructureFound;
  }
  const std::string token = value.is_string() ? "STRING"
                            : value.is_bool() ? (value.get_bool() ? "TRUE" : "FALSE")
                                              : "NUMBER";
  switch (type) {
    case Type::kString: return value.is_string() ? "" : token + "_VALUE can not be converted to a String";
    case Type::kBoolean: return value.is_bool() ? "" : token + "_VALUE can not be converted to a Boolean";
    case Type::kInteger: return value.is_int64() ? "" : token + "_VALUE can not be converted to an Integer";
    case Type::kLong: return value.is_int64() ? "" : token + "_VALUE can not be converted to a Long";
    default: return "";
  }
}

std::string refused(const std::string& message) { return "SerializationException: {\"Message\":\"" + message + "\"}"; }

TEST(SchemaValuesTest, EveryOtherKindOfValueIsASerializationException) {
  const Wire wire;
  const json::value kinds[] = {"text", 7, 7.5, true, false, json::array(), json::object()};
  int refusals = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    if (place.member->location != Location::kBody) {
      return;
    }
    for (const json::value& kind : kinds) {
      const std::string message = serialization_message(place.member->shape->type, kind);
      if (message.empty()) {
        continue;
      }
      *find(input, place.keys) = kind;
      EXPECT_EQ(wire.refusal(operation, input), refused(message)) << json::serialize(kind);
      ++refusals;
    }
  });
  EXPECT_GT(refusals, 600);
}

TEST(SchemaValuesTest, NumbersThatFitNoIntegerAreSerializationExceptions) {
  const Wire wire;
  int checked = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Type type = place.member->shape->type;
    if (type != Type::kInteger && type != Type::kLong) {
      return;
    }
    const bool query = place.member->location == Location::kQuery;
    const std::string message = fmt::format("{}_VALUE can not be converted to {}",
                                            query ? "STRING" : "NUMBER",
                                            type == Type::kLong ? "a Long" : "an Integer");
    std::vector<json::value> misfits = {0.5, 1e300, 18446744073709551615ULL};
    if (type == Type::kInteger) {
      misfits.emplace_back(2147483648LL);
      misfits.emplace_back(-2147483649LL);
    }
    for (const json::value& misfit : misfits) {
      *find(input, place.keys) = misfit;
      EXPECT_EQ(wire.refusal(operation, input), refused(message)) << json::serialize(misfit);
      ++checked;
    }
  });
  EXPECT_GT(checked, 100);
}

// U+00E9 is two bytes, so that text of the greatest length in characters is twice as long in bytes.
TEST(SchemaValuesTest, LengthsAreInCharactersUnlessTheShapeCountsBytes) {
  const Wire wire;
  int checked = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    const bool free_text = shape.type == Type::kString && shape.values.empty() &&
                           (shape.pattern.empty() || shape.pattern == "[^\\s]+" || shape.pattern == "[^:*]*");
    if (!free_text || shape.maximum == kNoMaximum) {
      return;
    }
    std::string text;
    for (std::int64_t index = 0; index < shape.maximum; ++index) {
      text += "\u00e9";
    }
    *find(input, place.keys) = text;
    if (shape.unit == LengthUnit::kCharacters) {
      EXPECT_EQ(wire.refusal(operation, input), "");
    } else {
      const std::string sentence = fmt::format("Member must have length less than or equal to {}", shape.maximum);
      EXPECT_THAT(wire.refusal(operation, input), HasSubstr(sentence));
      text.resize(static_cast<std::size_t>(shape.maximum));
      *find(input, place.keys) = text;
      EXPECT_EQ(wire.refusal(operation, input), "");
    }
    ++checked;
  });
  EXPECT_GT(checked, 50);
}

// The constraints of a list's elements or a map's keys or values, as the violation at the list or map quotes them.
std::string sentences_of(const Shape& shape) {
  std::vector<std::string> sentences;
  if (shape.maximum != kNoMaximum) {
    sentences.push_back(fmt::format("Member must have length less than or equal to {}", shape.maximum));
  }
  if (shape.minimum != kNoMinimum) {
    sentences.push_back(fmt::format("Member must have length greater than or equal to {}", shape.minimum));
  }
  if (!shape.pattern.empty()) {
    sentences.push_back(fmt::format("Member must satisfy regular expression pattern: {}", shape.pattern));
  }
  if (!shape.values.empty()) {
    sentences.push_back(fmt::format("Member must satisfy enum value set: [{}]", fmt::join(shape.values, ", ")));
  }
  return fmt::format("{}", fmt::join(sentences, ", "));
}

// Texts that break one of the shape's constraints each.
std::vector<std::string> bad_texts(const Shape& shape) {
  std::vector<std::string> texts;
  if (!shape.values.empty()) {
    texts.emplace_back("FLYING");
  }
  if (shape.maximum != kNoMaximum) {
    texts.push_back(example_text(shape) + std::string(static_cast<std::size_t>(shape.maximum), 'a'));
  }
  if (shape.minimum > 0) {
    texts.emplace_back();
  }
  if (!shape.pattern.empty()) {
    texts.push_back(example_text(shape) + "\t!:*");
  }
  return texts;
}

TEST(SchemaValuesTest, ElementsOfListsAreHeldToTheirConstraints) {
  const Wire wire;
  int checked = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kList || shape.element->type != Type::kString) {
      return;
    }
    for (const std::string& text : bad_texts(*shape.element)) {
      *find(input, place.keys) = json::array{text};
      EXPECT_EQ(wire.refusal(operation, input),
                "1 validation error detected: " +
                    violation(place,
                              fmt::format(" '[{}]'", text),
                              fmt::format("Member must satisfy constraint: [{}]", sentences_of(*shape.element))));
      ++checked;
    }
    if (place.member->location == Location::kBody) {
      *find(input, place.keys) = json::array{nullptr};
      EXPECT_EQ(
          wire.refusal(operation, input),
          fmt::format("1 validation error detected: Value null at '{}.1.member' failed to satisfy constraint: Member "
                      "must not be null",
                      place.path));
      *find(input, place.keys) = json::array{7};
      EXPECT_EQ(wire.refusal(operation, input), refused("NUMBER_VALUE can not be converted to a String"));
      checked += 2;
    }
  });
  EXPECT_GT(checked, 30);
}

TEST(SchemaValuesTest, KeysAndValuesOfMapsAreHeldToTheirConstraints) {
  const Wire wire;
  int checked = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Shape& shape = *place.member->shape;
    if (shape.type != Type::kMap) {
      return;
    }
    const auto expect = [&](const std::string& key, const json::value& value, const std::string& sentence) {
      *find(input, place.keys) = json::object{{key, value}};
      EXPECT_THAT(wire.refusal(operation, input), testing::AllOf(HasSubstr(sentence), HasSubstr(place.path))) << key;
      ++checked;
    };
    for (const std::string& text : bad_texts(*shape.key)) {
      expect(text,
             example(*shape.element),
             fmt::format("Map keys must satisfy constraint: [{}]", sentences_of(*shape.key)));
    }
    for (const std::string& text : bad_texts(*shape.element)) {
      expect(example_text(*shape.key),
             json::value(text),
             fmt::format("Map value must satisfy constraint: [{}]", sentences_of(*shape.element)));
    }
    expect("k", nullptr, ".k.member' failed to satisfy constraint: Member must not be null");
    *find(input, place.keys) = json::object{{"k", 7}};
    EXPECT_EQ(wire.refusal(operation, input), refused("NUMBER_VALUE can not be converted to a String"));
  });
  EXPECT_GT(checked, 20);
}

TEST(SchemaValuesTest, UnknownMembersAreIgnoredAtEveryLevel) {
  const Wire wire;
  int checked = 0;
  for_each_member([&](const Operation& operation, const Place& place, json::object input) {
    const Type type = place.member->shape->type;
    if (type != Type::kStructure && type != Type::kUnion) {
      return;
    }
    find(input, place.keys)->as_object()["unheardOf"] = json::object{{"deep", json::array{1, nullptr}}};
    EXPECT_EQ(wire.refusal(operation, input), "");
    ++checked;
  });
  EXPECT_GT(checked, 20);
}

}  // namespace
}  // namespace dormouse::api
