// SPDX-License-Identifier: Apache-2.0

#include "logs/json_pattern.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/core.h>

namespace dormouse::logs {

namespace json = boost::json;

namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr int kDepthMax = 50;  // of parentheses

struct AnyElement {};
using Step = std::variant<std::string, std::size_t, AnyElement>;  // a property, an element, all elements

enum class Test {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kNull,
  kTrue,
  kFalse,
  kExists,
  kMissing
};

struct Comparison {
  std::vector<Step> path;
  Test test = Test::kEqual;
  std::string text;              // what it is compared with; * is a wildcard
  std::optional<double> number;  // the same, if it is one and stands without quotation marks
};

tl::unexpected<Error> wrong(std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); }

}  // namespace

struct JsonPattern::Node {
  enum class Kind { kAll, kAny, kComparison };
  Kind kind = Kind::kComparison;
  std::vector<std::shared_ptr<const Node>> children;
  Comparison comparison;
};

namespace {

using Node = JsonPattern::Node;
using NodePointer = std::shared_ptr<const Node>;

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

bool is_word(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 ||
         std::string_view("_-.*:/@#+").find(character) != std::string_view::npos ||
         static_cast<unsigned char>(character) >= 0x80U;
}

bool is_name(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_' || character == '-' ||
         static_cast<unsigned char>(character) >= 0x80U;
}

// ---- reading a pattern ----

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  Result<NodePointer> pattern() {
    if (!take("{")) {
      return wrong("'{' is missing");
    }
    DM_ASSIGN(NodePointer root, alternatives(0), "");
    if (!take("}")) {
      return wrong(rest_.empty() ? "the closing '}' is missing" : fmt::format("'{}' is not understood", rest_));
    }
    skip_spaces();
    if (!rest_.empty()) {
      return wrong(fmt::format("'{}' follows the closing '}}'", rest_));
    }
    return root;
  }

 private:
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpaces), rest_.size())); }

  bool take(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) {
      return false;
    }
    rest_.remove_prefix(token.size());
    return true;
  }

  bool take_keyword(std::string_view keyword) {
    skip_spaces();
    if (!rest_.starts_with(keyword) || (rest_.size() > keyword.size() && is_name(rest_[keyword.size()]))) {
      return false;
    }
    rest_.remove_prefix(keyword.size());
    return true;
  }

  template <typename Predicate>
  std::string_view take_while(Predicate predicate) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), predicate);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  Result<NodePointer> alternatives(int depth) { return joined(Node::Kind::kAny, "||", depth); }

  // Expressions with the operator of `kind` between them, each of those that bind more tightly.
  Result<NodePointer> joined(Node::Kind kind, std::string_view between, int depth) {
    Node node;
    node.kind = kind;
    do {
      DM_ASSIGN(NodePointer child, kind == Node::Kind::kAny ? joined(Node::Kind::kAll, "&&", depth) : one(depth), "");
      node.children.push_back(std::move(child));
    } while (take(between));
    return node.children.size() == 1 ? node.children.front() : std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> one(int depth) {
    if (!take("(")) {
      return comparison();
    }
    if (depth == kDepthMax) {
      return wrong(fmt::format("parentheses are nested more than {} deep", kDepthMax));
    }
    DM_ASSIGN(NodePointer inner, alternatives(depth + 1), "");
    if (!take(")")) {
      return wrong("a closing ')' is missing");
    }
    return inner;
  }

  Result<NodePointer> comparison() {
    Node node;
    DM_ASSIGN(node.comparison.path, path(), "");
    DM_TRY(test(node.comparison), "");
    return std::make_shared<const Node>(std::move(node));
  }

  Result<std::vector<Step>> path() {
    if (!take("$")) {
      return wrong("a property is missing, such as $.level");
    }
    std::vector<Step> steps;
    for (;;) {
      if (rest_.starts_with('[') || rest_.starts_with(".[")) {
        rest_.remove_prefix(rest_.front() == '.' ? 2 : 1);
        DM_ASSIGN(Step step, bracketed(), "");
        steps.push_back(std::move(step));
      } else if (rest_.starts_with('.')) {
        rest_.remove_prefix(1);
        const std::string_view name = take_while(is_name);
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

  // After '['.
  Result<Step> bracketed() {
    std::optional<Step> step;
    if (take("*")) {
      step = AnyElement();
    } else if (rest_.starts_with('\'')) {
      const std::size_t end = rest_.find('\'', 1);
      if (end != std::string_view::npos) {
        step = std::string(rest_.substr(1, end - 1));
        rest_.remove_prefix(end + 1);
      }
    } else {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), index);
      if (error == std::errc()) {
        step = index;
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      }
    }
    if (!step || !take("]")) {
      return wrong("in brackets stands the number of an element, *, or a name in apostrophes, such as ['a.b']");
    }
    return *std::move(step);
  }

  Status test(Comparison& comparison) {
    constexpr std::array<std::pair<std::string_view, Test>, 6> kOperators = {{{"!=", Test::kNotEqual},
                                                                              {"<=", Test::kLessEqual},
                                                                              {">=", Test::kGreaterEqual},
                                                                              {"=", Test::kEqual},
                                                                              {"<", Test::kLess},
                                                                              {">", Test::kGreater}}};
    for (const auto& [token, test] : kOperators) {
      if (take(token)) {
        comparison.test = test;
        return operand(comparison);
      }
    }
    if (take_keyword("EXISTS")) {
      comparison.test = Test::kExists;
      return {};
    }
    if (take_keyword("NOT") && take_keyword("EXISTS")) {
      comparison.test = Test::kMissing;
      return {};
    }
    if (take_keyword("IS")) {
      for (const auto& [keyword, test] :
           {std::pair("NULL", Test::kNull), std::pair("TRUE", Test::kTrue), std::pair("FALSE", Test::kFalse)}) {
        if (take_keyword(keyword)) {
          comparison.test = test;
          return {};
        }
      }
    }
    return wrong("after a property stands =, !=, <, <=, > or >= and a value, IS NULL, IS TRUE, IS FALSE or NOT EXISTS");
  }

  Status operand(Comparison& comparison) {
    skip_spaces();
    if (rest_.starts_with('%')) {
      return wrong("regular expressions are not supported by Dormouse. Use *, such as: { $.level = \"ERR*\" }");
    }
    const bool is_quoted = rest_.starts_with('"');
    if (is_quoted) {
      DM_TRY(quoted(comparison.text), "");
    } else {
      comparison.text = take_while(is_word);
      comparison.number = number_of(comparison.text);
    }
    if (comparison.text.empty() && !is_quoted) {
      return wrong("a value is missing after the operator");
    }
    const bool orders = comparison.test != Test::kEqual && comparison.test != Test::kNotEqual;
    if (orders && !comparison.number) {
      return wrong(fmt::format("'{}' is no number, and <, <=, > and >= compare numbers", comparison.text));
    }
    return {};
  }

  Status quoted(std::string& text) {
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return {};
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        ++i;
      }
      text += rest_[i];
    }
    return wrong("a closing quotation mark is missing");
  }

  std::string_view rest_;
};

// ---- matching ----

// Whether `text` is what `wanted` says, where * is any number of characters. Linear but for what each * tries again.
bool matches_text(std::string_view wanted, std::string_view text) {
  std::size_t at = 0;
  std::size_t next = 0;
  std::optional<std::size_t> star;  // in `wanted`, the last one met
  std::size_t resumed = 0;
  while (at < text.size()) {
    if (next < wanted.size() && wanted[next] == '*') {
      star = next++;
      resumed = at;
    } else if (next < wanted.size() && wanted[next] == text[at]) {
      ++next;
      ++at;
    } else if (star) {
      next = *star + 1;
      at = ++resumed;
    } else {
      return false;
    }
  }
  return wanted.find_first_not_of('*', next) == std::string_view::npos;
}

bool equals(const Comparison& comparison, const json::value& value) {
  if (value.is_string()) {
    return matches_text(comparison.text, value.as_string());
  }
  if (value.is_number() && comparison.number) {
    return value.to_number<double>() == *comparison.number;
  }
  return value.is_bool() && comparison.text == (value.as_bool() ? "true" : "false");
}

bool holds(const Comparison& comparison, const json::value& value) {
  const auto ordered = [&](auto compare) {
    return value.is_number() && compare(value.to_number<double>(), *comparison.number);
  };
  switch (comparison.test) {
    case Test::kEqual: return equals(comparison, value);
    case Test::kNotEqual: return !equals(comparison, value);
    case Test::kLess: return ordered(std::less<>());
    case Test::kLessEqual: return ordered(std::less_equal<>());
    case Test::kGreater: return ordered(std::greater<>());
    case Test::kGreaterEqual: return ordered(std::greater_equal<>());
    case Test::kNull: return value.is_null();
    case Test::kTrue: return value.is_bool() && value.as_bool();
    case Test::kFalse: return value.is_bool() && !value.as_bool();
    case Test::kExists: return true;
    case Test::kMissing: return false;
  }
  return false;
}

// Whether one of the values that the path from `step` on leads to makes the comparison hold.
bool leads(const Comparison& comparison, std::size_t step, const json::value& value) {
  if (step == comparison.path.size()) {
    return holds(comparison, value);
  }
  const Step& next = comparison.path[step];
  if (const auto* name = std::get_if<std::string>(&next)) {
    const json::value* const found = value.is_object() ? value.as_object().if_contains(*name) : nullptr;
    return found != nullptr && leads(comparison, step + 1, *found);
  }
  if (!value.is_array()) {
    return false;
  }
  const json::array& elements = value.as_array();
  if (const auto* index = std::get_if<std::size_t>(&next)) {
    return *index < elements.size() && leads(comparison, step + 1, elements[*index]);
  }
  return std::ranges::any_of(elements, [&](const json::value& each) { return leads(comparison, step + 1, each); });
}

bool matches_node(const Node& node, const json::value& message) {
  const auto child_matches = [&](const NodePointer& child) { return matches_node(*child, message); };
  switch (node.kind) {
    case Node::Kind::kAll: return std::ranges::all_of(node.children, child_matches);
    case Node::Kind::kAny: return std::ranges::any_of(node.children, child_matches);
    case Node::Kind::kComparison: break;
  }
  if (node.comparison.test == Test::kMissing) {
    Comparison there = node.comparison;
    there.test = Test::kExists;
    return !leads(there, 0, message);
  }
  return leads(node.comparison, 0, message);
}

}  // namespace

Result<JsonPattern> JsonPattern::parse(std::string_view text) {
  DM_ASSIGN(NodePointer root, Reader(text).pattern(), "");
  return JsonPattern(std::move(root));
}

bool JsonPattern::matches(std::string_view message) const {
  const std::size_t begin = message.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos || message[begin] != '{') {
    return false;
  }
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(message.data(), message.size()), error);
  return !error && parsed.is_object() && matches_node(*root_, parsed);
}

}  // namespace dormouse::logs
