// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "logs/comparison.h"
#include "logs/expression.h"
#include "logs/message_fields.h"

namespace dormouse::logs {

// Which messages of fields between spaces a reader wants: the patterns of CloudWatch Logs in brackets.
//
//     [ip, user, status = 4*, bytes > 1000]    so many fields, each as its column says; a name alone is any field
//     [level = ERROR || level = "OUT OF *", text]    && binds more tightly than ||, parentheses most; one name a column
//     [..., path = %/item/[0-9]+$%, ms]        ... is any number of fields, none as well; it may stand several times
//     [level != INFO, ,]                       a name may be left out
//
// A column is compared as text, and as a number where both sides are one; < <= > >= compare numbers alone. Fields: message_fields.h.
// A message with fewer fields does not match. Where it has more, and the pattern no ..., the last column is all that remains.
class ColumnPattern {
 public:
  // `text` begins with '['. kInvalidArgument, with why, in words that follow "Invalid filter pattern '...': ".
  static Result<ColumnPattern> parse(std::string_view text);

  bool matches(std::string_view message) const;

 private:
  struct Column {
    bool is_ellipsis = false;
    std::optional<Expression<Comparison>> condition;  // none: any field
  };
  static Result<Column> read_column(PatternReader& reader);
  static bool holds(const Column& column, std::string_view field);

  std::vector<Column> columns_;
  bool has_ellipsis_ = false;
};

}  // namespace dormouse::logs
