// SPDX-License-Identifier: Apache-2.0
//
// Prints the declared operations as one JSON object, for tests/api/model and tools/api-reference: names of operations to method, uri, status,
// errors, and the shapes of input and output with their constraints.

#include <iostream>

#include <boost/json.hpp>

#include "api/operations.h"

namespace {

using namespace dormouse::api;
namespace json = boost::json;

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kString: return "string";
    case Type::kInteger: return "integer";
    case Type::kLong: return "long";
    case Type::kBoolean: return "boolean";
    case Type::kTimestamp: return "timestamp";
    case Type::kList: return "list";
    case Type::kMap: return "map";
    case Type::kStructure: return "structure";
    case Type::kUnion: return "union";
  }
  return "?";
}

std::string_view location_name(Location location) {
  switch (location) {
    case Location::kBody: return "body";
    case Location::kLabel: return "uri";
    case Location::kQuery: return "querystring";
    case Location::kHeader: return "header";
  }
  return "?";
}

json::object described(const Shape& shape);

json::object described_member(const Member& member) {
  json::object described_shape = described(*member.shape);
  described_shape["required"] = member.presence == Presence::kRequired;
  described_shape["location"] = location_name(member.location);
  described_shape["wireName"] = member.on_wire();
  if (!member.fallback.empty()) {
    described_shape["default"] = json::parse(json::string_view(member.fallback.data(), member.fallback.size()));
  }
  return described_shape;
}

json::object described(const Shape& shape) {
  json::object result;
  result["type"] = type_name(shape.type);
  result["sensitive"] = shape.sensitive;
  if (shape.minimum != kNoMinimum) {
    result["min"] = shape.minimum;
  }
  if (shape.maximum != kNoMaximum) {
    result["max"] = shape.maximum;
  }
  if (!shape.pattern.empty()) {
    result["pattern"] = shape.pattern;
  }
  if (!shape.values.empty()) {
    result["enum"] = json::array(shape.values.begin(), shape.values.end());
  }
  if (shape.key != nullptr) {
    result["key"] = described(*shape.key);
  }
  if (shape.element != nullptr) {
    result["element"] = described(*shape.element);
  }
  if (shape.type == Type::kStructure || shape.type == Type::kUnion) {
    json::object members;
    for (const Member& member : shape.members) {
      members[member.name] = described_member(member);
    }
    result["members"] = std::move(members);
  }
  return result;
}

json::object described(const Operation& operation) {
  json::object result;
  result["service"] = operation.protocol->service;
  result["method"] = operation.method;
  result["uri"] = operation.uri;
  result["status"] = operation.status;
  result["errors"] = json::array(operation.errors.begin(), operation.errors.end());
  result["input"] = described(*operation.input);
  result["output"] = operation.output == nullptr ? json::value() : json::value(described(*operation.output));
  return result;
}

}  // namespace

// With an argument also those that are not told apart by method and path: iam, sts, logs.
int main(int argc, char**) {
  json::object operations;
  for (const Operation* operation : all_operations()) {
    operations[operation->name] = described(*operation);
  }
  if (argc > 1) {
    for (const Operation* operation : query_operations()) {
      operations[operation->name] = described(*operation);
    }
    for (const Operation& operation : log_operations()) {
      operations[operation.name] = described(operation);
    }
  }
  std::cout << json::serialize(operations) << '\n';
  return std::cout.good() ? 0 : 1;
}
