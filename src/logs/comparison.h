// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logs/regex_term.h"

namespace dormouse::logs {

enum class Operator : std::uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

// Whether values are ordered, not only equal or different.
constexpr bool is_order(Operator comparing) {
  return comparing != Operator::kEqual && comparing != Operator::kNotEqual;
}

// What a value is compared with in a filter pattern.
struct Operand {
  std::string text;  // with * for any beginning or end
  bool is_quoted = false;
  std::optional<double> number;    // the same, if it is one and stands without quotation marks
  std::optional<RegexTerm> regex;  // instead
};

struct Comparison {
  Operator comparing = Operator::kEqual;
  Operand operand;  // a number where values are ordered

  // For a value that is a text, a number, either, or neither.
  bool holds(std::optional<std::string_view> text, std::optional<double> number) const;
};

// Decimal, with a sign and an exponent where it has them. Nothing for what is no number, or more than one.
std::optional<double> number_of(std::string_view text);

}  // namespace dormouse::logs
