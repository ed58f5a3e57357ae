// SPDX-License-Identifier: Apache-2.0

#include "logs/comparison.h"

#include <charconv>
#include <cmath>

namespace dormouse::logs {

namespace {

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
