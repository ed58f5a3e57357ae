// SPDX-License-Identifier: Apache-2.0

#include "logs/filter_pattern.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/core.h>

namespace dormouse::logs {

namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_word_character(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_' ||
         static_cast<unsigned char>(character) >= 0x80U;
}

tl::unexpected<Error> invalid(std::string_view pattern, std::string_view why) {
  return fail(ErrorKind::kInvalidArgument, fmt::format("Invalid filter pattern '{}': {}", pattern, why));
}

// The term after an opening quote, which is at text[0]; takes it and the closing quote away. False when that is missing.
bool take_quoted(std::string_view& text, std::string& term) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    }
    term += text[i];
  }
  return false;
}

}  // namespace

Result<FilterPattern> FilterPattern::parse(std::string_view pattern) {
  FilterPattern parsed;
  std::string_view rest = pattern;
  const auto skip_spaces = [&] { rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size())); };
  skip_spaces();
  if (rest.starts_with('{')) {
    auto json = JsonPattern::parse(rest);
    if (!json) {
      return invalid(pattern, json.error().message());
    }
    parsed.json_ = *std::move(json);
    return parsed;
  }
  if (rest.starts_with('[') || rest.starts_with('%')) {
    return invalid(pattern,
                   "patterns for columns and regular expressions are not supported by Dormouse. Use terms, such "
                   "as: ERROR \"out of memory\" -debug");
  }
  for (; !rest.empty(); skip_spaces()) {
    std::vector<std::string>* kind = &parsed.required_;
    if (rest.front() == '-' || rest.front() == '?') {
      kind = rest.front() == '-' ? &parsed.excluded_ : &parsed.alternatives_;
      rest.remove_prefix(1);
    }
    std::string term;
    if (rest.starts_with('"')) {
      if (!take_quoted(rest, term)) {
        return invalid(pattern, "a closing quotation mark is missing");
      }
    } else {
      const std::size_t end = std::min(rest.find_first_of(kSpaces), rest.size());
      term = rest.substr(0, end);
      rest.remove_prefix(end);
      const auto odd = std::find_if_not(term.begin(), term.end(), is_word_character);
      if (term.empty() || odd != term.end()) {
        return invalid(pattern,
                       term.empty() ? std::string("a term is missing after '-' or '?'")
                                    : fmt::format("put the term '{}' into quotation marks: it has a character that is "
                                                  "neither a letter, a digit nor an underscore",
                                                  term));
      }
    }
    if (!term.empty()) {
      kind->push_back(std::move(term));
    }
  }
  return parsed;
}

bool FilterPattern::matches(std::string_view message) const {
  if (json_) {
    return json_->matches(message);
  }
  const auto has = [&](const std::string& term) { return message.find(term) != std::string_view::npos; };
  if (std::any_of(excluded_.begin(), excluded_.end(), has)) {
    return false;
  }
  if (required_.empty() && !alternatives_.empty()) {
    return std::any_of(alternatives_.begin(), alternatives_.end(), has);
  }
  return std::all_of(required_.begin(), required_.end(), has);
}

}  // namespace dormouse::logs
