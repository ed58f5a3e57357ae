// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/json/fwd.hpp>

#include "api/model.h"

namespace dormouse::api {

// The model-constraint layer: whether a decoded input keeps the constraints of its shapes, in the service's sentences,
// all violations in one text: "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member
// must not be null; ...". At most kViolationsMax are named.
//
// Paths are those of the service: "hooks.port", "resources.1.member.minimumMemoryInMiB" (counted from 1), first letters in
// lower case. Elements of lists and maps of plain values are reported at the list or map ("Member must satisfy constraint:
// [...]", "Map keys must ...", "Map value must ..."). Values of sensitive shapes are not shown.
//
// Patterns are compiled once, at construction. Thread-safe.
class Constraints {
 public:
  static constexpr std::size_t kViolationsMax = 100;

  // Maxima by name of the shape, where they are not the model's.
  using Maxima = std::map<std::string, std::int64_t, std::less<>>;

  explicit Constraints(
      Maxima maxima = {});  // throws std::logic_error if a pattern of the model is no regular expression
  ~Constraints();
  Constraints(const Constraints&) = delete;
  Constraints& operator=(const Constraints&) = delete;

  // The whole message, or nothing if `input` keeps every constraint.
  std::optional<std::string> check(const Shape& shape, const boost::json::object& input) const;

 private:
  class Patterns;
  class Walk;
  std::unique_ptr<const Patterns> patterns_;
  const Maxima maxima_;
};

}  // namespace dormouse::api
