// SPDX-License-Identifier: Apache-2.0
//
// Ways to write a shape in one line, and the shapes that several tables use (specification section 1.2).

#pragma once

#include <cstddef>

#include "api/model.h"

namespace dormouse::api {

inline constexpr Presence kRequired = Presence::kRequired;
inline constexpr Presence kOptional = Presence::kOptional;
inline constexpr Location kBody = Location::kBody;
inline constexpr Location kLabel = Location::kLabel;
inline constexpr Location kQuery = Location::kQuery;

constexpr Shape text(std::string_view name,
                     std::int64_t minimum = kNoMinimum,
                     std::int64_t maximum = kNoMaximum,
                     std::string_view pattern = {}) {
  return Shape{.name = name, .type = Type::kString, .minimum = minimum, .maximum = maximum, .pattern = pattern};
}
constexpr Shape secret(std::string_view name, std::int64_t minimum, std::int64_t maximum, LengthUnit unit) {
  return Shape{
      .name = name, .type = Type::kString, .minimum = minimum, .maximum = maximum, .sensitive = true, .unit = unit};
}
constexpr Shape number(std::string_view name, std::int64_t minimum = kNoMinimum, std::int64_t maximum = kNoMaximum) {
  return Shape{.name = name, .type = Type::kInteger, .minimum = minimum, .maximum = maximum};
}
template <std::size_t kSize>
constexpr Shape enumeration(std::string_view name, const std::string_view (&values)[kSize]) {
  return Shape{.name = name, .type = Type::kString, .values = values};
}
constexpr Shape list(std::string_view name,
                     const Shape& element,
                     std::int64_t minimum = kNoMinimum,
                     std::int64_t maximum = kNoMaximum) {
  return Shape{.name = name, .type = Type::kList, .minimum = minimum, .maximum = maximum, .element = &element};
}
constexpr Shape map(std::string_view name,
                    const Shape& key,
                    const Shape& element,
                    std::int64_t minimum = kNoMinimum,
                    std::int64_t maximum = kNoMaximum) {
  return Shape{
      .name = name, .type = Type::kMap, .minimum = minimum, .maximum = maximum, .key = &key, .element = &element};
}
template <std::size_t kSize>
constexpr Shape structure(std::string_view name, const Member (&members)[kSize]) {
  return Shape{.name = name, .type = Type::kStructure, .members = members};
}
constexpr Shape structure(std::string_view name) { return Shape{.name = name, .type = Type::kStructure}; }
template <std::size_t kSize>
constexpr Shape one_of(std::string_view name, const Member (&members)[kSize]) {
  return Shape{.name = name, .type = Type::kUnion, .members = members};
}

namespace shapes {

inline constexpr Shape kString = text("String");
inline constexpr Shape kInteger = number("Integer");
inline constexpr Shape kLong{.name = "Long", .type = Type::kLong};
inline constexpr Shape kBoolean{.name = "Boolean", .type = Type::kBoolean};
inline constexpr Shape kTimestamp{.name = "Timestamp", .type = Type::kTimestamp};
inline constexpr Shape kNonBlankString = text("NonBlankString", 1, 2048, "[^\\s]+");
inline constexpr Shape kTagKey = text("TagKey", 1, 128, "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)");
inline constexpr Shape kTagValue = text("TagValue", 0, 256, "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)");
inline constexpr Shape kTags = map("Tags", kTagKey, kTagValue);

}  // namespace shapes

}  // namespace dormouse::api
