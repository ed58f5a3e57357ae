// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace dormouse::logs {

// Which JSON messages a reader wants: the patterns of CloudWatch Logs in braces.
//
//     { $.level = "ERROR" }                 a string; * is any beginning or end; letters and digits need no quotation marks
//     { $.status >= 500 && $.ms > 1.5e3 }   numbers: = != < <= > >=; && binds more tightly than ||, parentheses most
//     { $.user.name IS NULL }               also IS TRUE, IS FALSE, EXISTS, NOT EXISTS
//     { $.list[0].id = 7 }                  an element; [*] any of them; ['a.b'] a name with other characters; .* any property
//     { $.path = %^/item/[0-9]+$% }         a regular expression: regex_term.h
//
// A message that is no JSON object matches nothing, and comparing a property that is not there does not match, with != either.
// Numbers are compared as numbers, and as text with what has a * or is a regular expression.
class JsonPattern {
 public:
  // `text` begins with '{'. kInvalidArgument, with why, in words that follow "Invalid filter pattern '...': ".
  static Result<JsonPattern> parse(std::string_view text);

  bool matches(std::string_view message) const;

  struct Tree;  // the expression

 private:
  explicit JsonPattern(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const Tree> tree_;
};

}  // namespace dormouse::logs
