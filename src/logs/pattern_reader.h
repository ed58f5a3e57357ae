// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "logs/comparison.h"

namespace dormouse::logs {

// What separates words, in patterns and in messages.
inline constexpr std::string_view kSpaces = " \t\r\n";

// Reads a filter pattern from its beginning to its end, piece by piece. A copy looks ahead. What is wrong is kInvalidArgument,
// with why, in words that follow "Invalid filter pattern '...': ".
class PatternReader {
 public:
  static constexpr int kRegexesMax = 2;  // in a pattern, as at the service

  // `text` must outlive the reader.
  explicit PatternReader(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  void remove(std::size_t size) { rest_.remove_prefix(size); }
  void skip_spaces() { remove(std::min(rest_.find_first_not_of(kSpaces), rest_.size())); }

  // Behind spaces: whether this is here; then it is taken. A keyword ends where a name would.
  bool take(std::string_view token);
  bool take_keyword(std::string_view keyword);

  // Here: the longest text of such characters, which may be empty.
  template <typename Predicate>
  std::string_view take_while(Predicate predicate) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), predicate);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    remove(taken.size());
    return taken;
  }
  // Letters, digits, _ and -.
  std::string_view take_name();

  // Here, at a quotation mark: the text up to the next one; \" and \\ within it.
  Result<std::string> take_quoted();
  // Here, at a %: the expression up to the next one.
  Result<RegexTerm> take_regex();

  // Behind spaces.
  std::optional<Operator> take_operator();
  Result<Operand> take_operand(Operator comparing);

 private:
  std::string_view rest_;
  int regexes_ = 0;
};

}  // namespace dormouse::logs
