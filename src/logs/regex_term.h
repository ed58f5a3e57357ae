// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"

namespace re2 {
class RE2;
}

namespace dormouse::logs {

// A regular expression of a filter pattern: what stands between two `%`. CloudWatch Logs documents a small language, and nothing
// beyond it is taken:
//
//     a 7 : _ # = @ / ; , - and space     themselves; other ASCII as \xhh
//     .  [a-z_]  [^0-9]  \d \D \s \S \w \W    one character
//     *  +  ?  {3}  {2,}  {,5}  {2,5}     of the one before
//     |  ^  $                             or, begin and end of the text
//     \.                                  an operator as itself
//
// No groups, no other escapes, no characters beyond ASCII, which `.` and [^a] match. Bytes that are no UTF-8 are matched by nothing.
//
// Searching takes time linear in the text, whatever text and expression are (RE2). What a byte can cost grows with how many
// characters the classes and repetitions of the expression stand for: kRepeatedMax bounds that.
class RegexTerm {
 public:
  static constexpr int kRepeatedMax = 256;

  // kInvalidArgument, with why and what to write, in words that follow "Invalid filter pattern '...': ".
  static Result<RegexTerm> parse(std::string_view expression);

  // Whether a part of `text` matches.
  bool found_in(std::string_view text) const;

 private:
  explicit RegexTerm(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace dormouse::logs
