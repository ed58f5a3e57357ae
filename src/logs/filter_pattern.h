// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "logs/column_pattern.h"
#include "logs/json_pattern.h"
#include "logs/regex_term.h"

namespace dormouse::logs {

// Which messages a reader wants: the patterns of CloudWatch Logs.
//
//     ERROR timeout        all of these terms, anywhere in the message, in any order; case counts
//     "out of memory"      a term with spaces; \" and \\ within it
//     ERROR -Exiting       a term that must not be there
//     %time[- ]?out%       a regular expression, alone or as a term among others: regex_term.h
//     { $.level = ERROR }  a JSON message with such a property: json_pattern.h
//     [level, ms > 1000]   a message with such fields between spaces: column_pattern.h
//     ?ERROR ?WARN         at least one of these; beside terms without `?` they do not count, as at the service
//
// Nothing and `""` match every message. Bytes that are no text are fine on either side.
class FilterPattern {
 public:
  static constexpr std::size_t kBytesMax = 4096;  // 1,024 characters, the service's limit

  FilterPattern() = default;  // matches all
  // kInvalidArgument, with a text for the tenant.
  static Result<FilterPattern> parse(std::string_view text);

  bool matches(std::string_view message) const;

 private:
  using Term = std::variant<std::string, RegexTerm>;
  Status read_terms(PatternReader reader);
  static bool has(std::string_view message, const Term& term);

  std::vector<Term> required_;
  std::vector<Term> excluded_;
  std::vector<Term> alternatives_;
  std::optional<JsonPattern> json_;       // alone
  std::optional<ColumnPattern> columns_;  // alone
};

}  // namespace dormouse::logs
