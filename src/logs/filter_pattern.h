// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "logs/json_pattern.h"

namespace dormouse::logs {

// Which messages a reader wants: the patterns of CloudWatch Logs.
//
//     ERROR timeout        all of these terms, anywhere in the message, in any order; case counts
//     "out of memory"      a term with spaces; \" and \\ within it
//     ERROR -Exiting       a term that must not be there
//     { $.level = ERROR }  a JSON message with such a property: json_pattern.h
//     ?ERROR ?WARN         at least one of these; beside terms without `?` they do not count, as at the service
//
// Nothing and `""` match every message. Patterns for columns `[ ... ]` and regular expressions `%...%` are refused:
// kInvalidArgument, with a text for the tenant. Bytes that are no text are fine on either side.
class FilterPattern {
 public:
  FilterPattern() = default;  // matches all
  static Result<FilterPattern> parse(std::string_view text);

  bool matches(std::string_view message) const;

 private:
  std::vector<std::string> required_;
  std::vector<std::string> excluded_;
  std::vector<std::string> alternatives_;
  std::optional<JsonPattern> json_;  // alone
};

}  // namespace dormouse::logs
