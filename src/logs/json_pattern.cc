// SPDX-License-Identifier: Apache-2.0

#include "logs/json_pattern.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "logs/comparison.h"
#include "logs/expression.h"
#include "logs/pattern_reader.h"

namespace dormouse::logs {

namespace json = boost::json;

namespace {

struct AnyElement {};
struct AnyProperty {};
using Step = std::variant<std::string, std::size_t, AnyElement, AnyProperty>;  // a property, an element, all of them

enum class Test : std::uint8_t { kComparison, kNull, kTrue, kFalse, kExists, kMissing };

// What is asked of the values that a path leads to.
struct Condition {
  std::vector<Step> path;
  Test test = Test::kComparison;
  Comparison comparison;
};

tl::unexpected<Error> wrong(std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); }

}  // namespace

struct JsonPattern::Tree {
  Expression<Condition> root;
};

namespace {

// ---- reading a pattern ----

// After '['.
Result<Step> read_bracketed(PatternReader& reader) {
  std::optional<Step> step;
  if (reader.take("*")) {
    step = AnyElement();
  } else if (const std::string_view rest = reader.rest(); rest.starts_with('\'')) {
    const std::size_t end = rest.find('\'', 1);
    if (end != std::string_view::npos) {
      step = std::string(rest.substr(1, end - 1));
      reader.remove(end + 1);
    }
  } else {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
    if (error == std::errc()) {
      step = index;
      reader.remove(static_cast<std::size_t>(end - rest.data()));
    }
  }
  if (!step || !reader.take("]")) {
    return wrong("in brackets stands the number of an element, *, or a name in apostrophes, such as ['a.b']");
  }
  return *std::move(step);
}

Result<std::vector<Step>> read_path(PatternReader& reader) {
  if (!reader.take("$")) {
    return wrong("a property is missing, such as $.level");
  }
  std::vector<Step> steps;
  for (;;) {
    const std::string_view rest = reader.rest();
    if (rest.starts_with('[') || rest.starts_with(".[")) {
      reader.remove(rest.front() == '.' ? 2 : 1);
      DM_ASSIGN(Step step, read_bracketed(reader), "");
      steps.push_back(std::move(step));
    } else if (rest.starts_with(".*")) {
      reader.remove(2);
      steps.emplace_back(AnyProperty());
    } else if (rest.starts_with('.')) {
      reader.remove(1);
      const std::string_view name = reader.take_name();
      if (name.empty()) {
        return wrong("the name of a property is missing after '.'");
      }
      steps.emplace_back(std::string(name));
    } else if (steps.empty()) {
      return wrong("the name of a property is missing after '$', such as $.level");
    } else {
      return steps;
    }
  }
}

Status read_test(PatternReader& reader, Condition& condition) {
  if (const auto comparing = reader.take_operator()) {
    condition.comparison.comparing = *comparing;
    DM_ASSIGN(condition.comparison.operand, reader.take_operand(*comparing), "");
    return {};
  }
  if (reader.take_keyword("EXISTS")) {
    condition.test = Test::kExists;
    return {};
  }
  if (reader.take_keyword("NOT") && reader.take_keyword("EXISTS")) {
    condition.test = Test::kMissing;
    return {};
  }
  if (reader.take_keyword("IS")) {
    for (const auto& [keyword, test] :
         {std::pair("NULL", Test::kNull), std::pair("TRUE", Test::kTrue), std::pair("FALSE", Test::kFalse)}) {
      if (reader.take_keyword(keyword)) {
        condition.test = test;
        return {};
      }
    }
  }
  return wrong("after a property stands =, !=, <, <=, > or >= and a value, IS NULL, IS TRUE, IS FALSE or NOT EXISTS");
}

Result<Condition> read_condition(PatternReader& reader) {
  Condition condition;
  DM_ASSIGN(condition.path, read_path(reader), "");
  DM_TRY(read_test(reader, condition), "");
  return condition;
}

// ---- matching ----

bool compare(const Comparison& comparison, const json::value& value) {
  if (value.is_string()) {
    return comparison.holds(value.as_string(), std::nullopt);
  }
  if (value.is_bool()) {
    return comparison.holds(value.as_bool() ? "true" : "false", std::nullopt);
  }
  if (value.is_structured()) {
    return false;  // what is no single value is not compared
  }
  if (value.is_null()) {
    return comparison.holds(std::nullopt, std::nullopt);
  }
  const auto number = value.to_number<double>();
  if (comparison.operand.is_quoted) {
    return comparison.holds(std::nullopt, number);
  }
  return comparison.holds(value.is_double() ? fmt::format("{}", number) : json::serialize(value), number);
}

bool holds(const Condition& condition, const json::value& value) {
  switch (condition.test) {
    case Test::kComparison: return compare(condition.comparison, value);
    case Test::kNull: return value.is_null();
    case Test::kTrue: return value.is_bool() && value.as_bool();
    case Test::kFalse: return value.is_bool() && !value.as_bool();
    case Test::kExists:
    case Test::kMissing: return true;  // that it is there
  }
  return false;
}

// Whether the condition holds for one of the values that its path from `step` on leads to.
bool leads(const Condition& condition, std::size_t step, const json::value& value) {
  if (step == condition.path.size()) {
    return holds(condition, value);
  }
  const Step& next = condition.path[step];
  if (const auto* name = std::get_if<std::string>(&next)) {
    const json::value* const found = value.is_object() ? value.as_object().if_contains(*name) : nullptr;
    return found != nullptr && leads(condition, step + 1, *found);
  }
  if (std::holds_alternative<AnyProperty>(next)) {
    return value.is_object() && std::ranges::any_of(value.as_object(), [&](const auto& each) {
             return leads(condition, step + 1, each.value());
           });
  }
  if (!value.is_array()) {
    return false;
  }
  const json::array& elements = value.as_array();
  if (const auto* index = std::get_if<std::size_t>(&next)) {
    return *index < elements.size() && leads(condition, step + 1, elements[*index]);
  }
  return std::ranges::any_of(elements, [&](const json::value& each) { return leads(condition, step + 1, each); });
}

}  // namespace

Result<JsonPattern> JsonPattern::parse(std::string_view text) {
  PatternReader reader(text);
  if (!reader.take("{")) {
    return wrong("'{' is missing");
  }
  const auto read_leaf = [&] { return read_condition(reader); };
  Tree tree;
  DM_ASSIGN(tree.root, read_expression<Condition>(reader, read_leaf), "");
  if (!reader.take("}")) {
    return wrong(reader.rest().empty() ? "the closing '}' is missing"
                                       : fmt::format("'{}' is not understood", reader.rest()));
  }
  reader.skip_spaces();
  if (!reader.rest().empty()) {
    return wrong(fmt::format("'{}' follows the closing '}}'", reader.rest()));
  }
  return JsonPattern(std::make_shared<const Tree>(std::move(tree)));
}

bool JsonPattern::matches(std::string_view message) const {
  const std::size_t begin = message.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos || message[begin] != '{') {
    return false;
  }
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(message.data(), message.size()), error);
  if (error || !parsed.is_object()) {
    return false;
  }
  return tree_->root.holds(
      [&](const Condition& condition) { return leads(condition, 0, parsed) != (condition.test == Test::kMissing); });
}

}  // namespace dormouse::logs
