// SPDX-License-Identifier: Apache-2.0
//
// The wire contract as data: shapes with their constraints, operations with their HTTP bindings. Routing, decoding,
// constraint checking and encoding read these tables and nothing else, so a new member is one line in one table
// (model_images.cc, model_microvms.cc, model_network_connectors.cc, model_tags.cc,
// model_extensions.cc, model_accounts.cc, model_iam.cc, model_logs.cc). Everything here is constant and lives for ever.

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace dormouse::api {

enum class Type : std::uint8_t {
  kString,
  kInteger,  // 32 bits
  kLong,     // 64 bits
  kBoolean,
  kTimestamp,
  kList,
  kMap,
  kStructure,
  kUnion,  // a structure with exactly one member set
};

enum class LengthUnit : std::uint8_t { kCharacters, kBytes };  // of a string, as UTF-8

struct Member;

inline constexpr std::int64_t kNoMinimum = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kNoMaximum = std::numeric_limits<std::int64_t>::max();

// What a value must look like. Which fields count depends on `type`.
struct Shape {
  std::string_view name;
  Type type = Type::kString;
  std::int64_t minimum = kNoMinimum;  // of a number's value, a string's length, a list's or map's entries
  std::int64_t maximum = kNoMaximum;
  std::string_view pattern{};                  // of a whole string, RE2 syntax, as error texts quote it
  std::span<const std::string_view> values{};  // of an enumeration; answers may hold others: enumerations are open
  bool sensitive = false;                      // never shown in an error text
  LengthUnit unit = LengthUnit::kCharacters;
  const Shape* key = nullptr;         // of a map
  const Shape* element = nullptr;     // of a list or map
  std::span<const Member> members{};  // of a structure or union
};

enum class Presence : std::uint8_t { kOptional, kRequired };
enum class Location : std::uint8_t { kBody, kLabel, kQuery, kHeader };

struct Member {
  std::string_view name;
  const Shape* shape = nullptr;
  Presence presence = Presence::kOptional;
  Location location = Location::kBody;
  std::string_view wire_name{};  // in a query or header, where it differs from `name`
  std::string_view fallback{};   // JSON text taken for an absent member of a request

  std::string_view on_wire() const { return wire_name.empty() ? name : wire_name; }
};

// How errors of the control layer are named and spelled (specification sections 1.7 to 1.9).
enum class ErrorDialect : std::uint8_t { kMicrovms, kTags, kCore, kLogs };

// What the operations of one AWS service model have in common.
struct Protocol {
  std::string_view service;      // e.g. "lambda-microvms", as `aws` names it
  bool nulls_for_absent = true;  // absent optional members are sent as null; else left out
  bool iso_timestamps = false;   // "2026-11-22T01:02:03.000Z"; else epoch seconds with a fraction
  ErrorDialect errors = ErrorDialect::kMicrovms;
  std::string_view version{};        // of a service of the query protocol (query_service.h)
  std::string_view xml_namespace{};  // likewise
};

struct Operation {
  std::string_view name;
  std::string_view method;
  std::string_view uri;  // "/2025-09-09/microvms/{microvmIdentifier}": each label is one whole path segment
  int status = 200;      // of success
  const Shape* input = nullptr;
  const Shape* output = nullptr;  // none: an empty body
  std::span<const std::string_view> errors{};
  const Protocol* protocol = nullptr;
};

// One span a file of tables.
std::span<const Operation> image_operations();
std::span<const Operation> microvm_operations();
std::span<const Operation> network_connector_operations();
std::span<const Operation> tag_operations();
std::span<const Operation> extension_operations();
std::span<const Operation> account_operations();
std::span<const Operation> identity_operations();  // of the query protocol
std::span<const Operation> log_operations();       // named by a header, so no part of all_operations() (log_service.h)

}  // namespace dormouse::api
