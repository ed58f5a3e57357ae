// SPDX-License-Identifier: Apache-2.0

#include "logs/comparison.h"

#include <charconv>
#include <cmath>

namespace dormouse::logs {

namespace {

// Whether `text` is what `wanted` says, where a * before it is any beginning and one after it any end; others are themselves.
bool matches_text(std::string_view wanted, std::string_view text) {
  const bool any_end = wanted.ends_with('*');
  wanted.remove_suffix(any_end ? 1 : 0);
  const bool any_beginning = wanted.starts_with('*');
  wanted.remove_prefix(any_beginning ? 1 : 0);
  if (any_beginning) {
    return any_end ? text.find(wanted) != std::string_view::npos : text.ends_with(wanted);
  }
  return any_end ? text.starts_with(wanted) : text == wanted;
}

bool equals(const Operand& operand, std::optional<std::string_view> text, std::optional<double> number) {
  if (operand.regex) {
    return text && operand.regex->found_in(*text);
  }
  return (text && matches_text(operand.text, *text)) || (number && operand.number && *number == *operand.number);
}

}  // namespace

bool Comparison::holds(std::optional<std::string_view> text, std::optional<double> number) const {
  switch (comparing) {
    case Operator::kEqual: return equals(operand, text, number);
    case Operator::kNotEqual: return !equals(operand, text, number);
    case Operator::kLess: return number && *number < *operand.number;
    case Operator::kLessEqual: return number && *number <= *operand.number;
    case Operator::kGreater: return number && *number > *operand.number;
    case Operator::kGreaterEqual: return number && *number >= *operand.number;
  }
  return false;
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) {
    text.remove_prefix(1);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && std::isfinite(number);
  return is_number ? std::optional(number) : std::nullopt;
}

}  // namespace dormouse::logs
