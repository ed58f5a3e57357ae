// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/error.h"
#include "logs/pattern_reader.h"

namespace dormouse::logs {

// Comparisons of a filter pattern, joined: && binds more tightly than ||, parentheses most.
template <typename Leaf>
struct Expression {
  enum class Kind : std::uint8_t { kAll, kAny, kLeaf };
  Kind kind = Kind::kLeaf;
  std::vector<Expression> children;
  Leaf leaf{};

  // `test` says whether a leaf holds.
  template <typename Test>
  bool holds(const Test& test) const {
    const auto child_holds = [&](const Expression& child) { return child.holds(test); };
    switch (kind) {
      case Kind::kAll: return std::ranges::all_of(children, child_holds);
      case Kind::kAny: return std::ranges::any_of(children, child_holds);
      case Kind::kLeaf: break;
    }
    return test(leaf);
  }
};

// Reads an expression; `read_leaf` reads a leaf of it, a Result<Leaf>, where one must stand.
template <typename Leaf, typename ReadLeaf>
class ExpressionReader {
 public:
  ExpressionReader(PatternReader& reader, const ReadLeaf& read_leaf) : reader_(reader), read_leaf_(read_leaf) {}

  Result<Expression<Leaf>> read() { return alternatives(0); }

 private:
  using Kind = typename Expression<Leaf>::Kind;
  static constexpr int kDepthMax = 50;  // of parentheses

  Result<Expression<Leaf>> alternatives(int depth) { return joined(Kind::kAny, "||", depth); }

  // Expressions with the operator of `kind` between them, each of those that bind more tightly.
  Result<Expression<Leaf>> joined(Kind kind, std::string_view between, int depth) {
    Expression<Leaf> expression;
    expression.kind = kind;
    do {
      DM_ASSIGN(auto child, kind == Kind::kAny ? joined(Kind::kAll, "&&", depth) : one(depth), "");
      expression.children.push_back(std::move(child));
    } while (reader_.take(between));
    if (expression.children.size() > 1) {
      return expression;
    }
    Expression<Leaf> only = std::move(expression.children.front());
    return only;
  }

  Result<Expression<Leaf>> one(int depth) {
    if (!reader_.take("(")) {
      Expression<Leaf> expression;
      DM_ASSIGN(expression.leaf, read_leaf_(), "");
      return expression;
    }
    if (depth == kDepthMax) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("parentheses are nested more than {} deep", kDepthMax));
    }
    DM_ASSIGN(auto inner, alternatives(depth + 1), "");
    if (!reader_.take(")")) {
      return fail(ErrorKind::kInvalidArgument, "a closing ')' is missing");
    }
    return inner;
  }

  PatternReader& reader_;
  const ReadLeaf& read_leaf_;
};

template <typename Leaf, typename ReadLeaf>
Result<Expression<Leaf>> read_expression(PatternReader& reader, const ReadLeaf& read_leaf) {
  return ExpressionReader<Leaf, ReadLeaf>(reader, read_leaf).read();
}

}  // namespace dormouse::logs
