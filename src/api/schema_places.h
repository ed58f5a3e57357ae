// SPDX-License-Identifier: Apache-2.0
//
// For tests driven by the model: every place where an input has a value, and what the wire says to inputs.

#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/constraints.h"
#include "api/decode.h"
#include "api/operations.h"
#include "api/schema_examples.h"

namespace dormouse::api {

// All operations, those too that a header names.
inline std::vector<const Operation*> every_operation() {
  std::vector<const Operation*> operations = all_operations();
  for (const Operation& operation : log_operations()) {
    operations.push_back(&operation);
  }
  return operations;
}

// Those and the ones that forms name.
inline std::vector<const Operation*> operations_and_forms() {
  std::vector<const Operation*> operations = every_operation();
  operations.insert(operations.end(), query_operations().begin(), query_operations().end());
  return operations;
}

inline bool is_form(const Operation& operation) {
  const auto& forms = query_operations();
  return std::find(forms.begin(), forms.end(), &operation) != forms.end();
}

inline tl::expected<Route, Refusal> route_of(const Operation& operation, const std::string& path) {
  return operation.uri == "/" ? Route{&operation, {}} : route(operation.method, path);
}

// What the wire says about `input`: nothing if it is accepted.
class Wire {
 public:
  std::string refusal(const Operation& operation, const boost::json::object& input) const {
    if (is_form(operation)) {
      QueryForm form;
      put_in_form(input, "", form);
      const auto decoded = decode_form(*operation.input, form);
      return decoded ? constraints_.check(*operation.input, *decoded).value_or("") : decoded.error();
    }
    const Placed placed = place_input(operation, input);
    return answer(operation, placed.path, placed.query, boost::json::serialize(placed.body));
  }

 private:
  std::string answer(const Operation& operation,
                     const std::string& path,
                     const std::string& query,
                     const std::string& body) const {
    const auto found = route_of(operation, path);
    if (!found) {
      return found.error().body;
    }
    EXPECT_EQ(found->operation->name, operation.name);
    const auto input = decode_input(*found, query, body);
    if (!input) {
      return input.error().type + ": " + input.error().body;
    }
    return constraints_.check(*operation.input, *input).value_or("");
  }

  Constraints constraints_;
};

// Where a value sits in an input, and the service's path to it.
struct Place {
  std::vector<std::string> keys;  // at a list: its first element
  std::string path;
  const Member* member = nullptr;
  bool in_union = false;
  // The unions that it is in, outermost first, and which of their members must be set.
  std::vector<std::pair<std::vector<std::string>, const Member*>> unions{};
};

inline boost::json::value* find(boost::json::object& input, const std::vector<std::string>& keys) {
  boost::json::value* value = nullptr;
  for (const std::string& key : keys) {
    if (value == nullptr) {
      value = &input[key];
    } else if (value->is_array()) {
      value = &value->get_array().front();
    } else {
      value = &value->get_object()[key];
    }
  }
  return value;
}

inline std::string lower_first(std::string_view name) {
  std::string result(name);
  result[0] = static_cast<char>(std::tolower(result[0]));
  return result;
}

inline void collect(const Shape& shape, const Place& parent, std::vector<Place>& places) {
  for (const Member& member : shape.members) {
    Place place = parent;
    if (shape.type == Type::kUnion) {
      place.unions.emplace_back(parent.keys, &member);
    }
    place.keys.emplace_back(member.name);
    place.path += (place.path.empty() ? "" : ".") + lower_first(member.name);
    place.member = &member;
    place.in_union = shape.type == Type::kUnion;
    places.push_back(place);
    const Shape* inner = member.shape;
    if (inner->type == Type::kList) {
      place.keys.emplace_back("0");
      place.path += ".1.member";
      inner = inner->element;
    }
    collect(*inner, place, places);
  }
}

// Calls `test` for each member of each operation with an input that is valid but for what the test does to it.
inline void for_each_member(const std::function<void(const Operation&, const Place&, boost::json::object)>& test,
                            const std::vector<const Operation*>& operations = every_operation()) {
  for (const Operation* operation : operations) {
    std::vector<Place> places;
    collect(*operation->input, Place(), places);
    for (const Place& place : places) {
      SCOPED_TRACE(fmt::format("{} {}", operation->name, place.path));
      boost::json::object input = example(*operation->input).as_object();
      for (const auto& [keys, member] : place.unions) {
        *find(input, keys) = boost::json::object{{member->name, example(*member->shape)}};
      }
      test(*operation, place, std::move(input));
    }
  }
}

inline void for_each_member_and_field(
    const std::function<void(const Operation&, const Place&, boost::json::object)>& test) {
  for_each_member(test, operations_and_forms());
}

inline std::string violation(const Place& place, std::string_view quoted, std::string_view constraint) {
  return fmt::format("Value{} at '{}' failed to satisfy constraint: {}", quoted, place.path, constraint);
}

inline std::string quoted(const Shape& shape, const std::string& text) {
  return shape.sensitive ? "" : fmt::format(" '{}'", text);
}

}  // namespace dormouse::api
