// SPDX-License-Identifier: Apache-2.0

#include "logs/filter_pattern.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/core.h>

#include "logs/pattern_reader.h"

namespace dormouse::logs {

namespace {

bool is_word_character(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_' ||
         static_cast<unsigned char>(character) >= 0x80U;
}

bool is_space(char character) { return kSpaces.find(character) != std::string_view::npos; }

tl::unexpected<Error> wrong(std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); }

Result<RegexTerm> read_regex(PatternReader& reader) {
  DM_ASSIGN(RegexTerm regex, reader.take_regex(), "");
  if (!reader.rest().empty() && !is_space(reader.rest().front())) {
    return wrong(fmt::format(
        "'{}' follows the closing % of a regular expression: put a space between, or write \\x25 for a % within it",
        reader.rest()));
  }
  return regex;
}

// Without quotation marks.
Result<std::string> read_word(PatternReader& reader) {
  const std::string_view word = reader.take_while([](char character) { return !is_space(character); });
  if (word.empty()) {
    return wrong("a term is missing after '-' or '?'");
  }
  if (!std::ranges::all_of(word, is_word_character)) {
    return wrong(fmt::format(
        "put the term '{}' into quotation marks: it has a character that is neither a letter, a digit nor an "
        "underscore",
        word));
  }
  return std::string(word);
}

}  // namespace

Status FilterPattern::read_terms(PatternReader reader) {
  for (;;) {
    reader.skip_spaces();
    if (reader.rest().empty()) {
      return {};
    }
    std::vector<Term>* kind = &required_;
    if (const char mark = reader.rest().front(); mark == '-' || mark == '?') {
      kind = mark == '-' ? &excluded_ : &alternatives_;
      reader.remove(1);
    }
    if (reader.rest().starts_with('%')) {
      DM_ASSIGN(RegexTerm regex, read_regex(reader), "");
      kind->emplace_back(std::move(regex));
      continue;
    }
    DM_ASSIGN(std::string term, reader.rest().starts_with('"') ? reader.take_quoted() : read_word(reader), "");
    if (!term.empty()) {
      kind->emplace_back(std::move(term));
    }
  }
}

Result<FilterPattern> FilterPattern::parse(std::string_view pattern) {
  if (pattern.size() > kBytesMax) {
    return wrong(
        fmt::format("Invalid filter pattern: it has {} bytes, and at most {} are taken", pattern.size(), kBytesMax));
  }
  const std::string context = fmt::format("Invalid filter pattern '{}'", pattern);
  FilterPattern parsed;
  PatternReader reader(pattern);
  reader.skip_spaces();
  if (reader.rest().starts_with('{')) {
    DM_ASSIGN(parsed.json_, JsonPattern::parse(reader.rest()), context);
  } else if (reader.rest().starts_with('[')) {
    DM_ASSIGN(parsed.columns_, ColumnPattern::parse(reader.rest()), context);
  } else {
    DM_TRY(parsed.read_terms(reader), context);
  }
  return parsed;
}

bool FilterPattern::has(std::string_view message, const Term& term) {
  const auto* regex = std::get_if<RegexTerm>(&term);
  return regex != nullptr ? regex->found_in(message)
                          : message.find(std::get<std::string>(term)) != std::string_view::npos;
}

bool FilterPattern::matches(std::string_view message) const {
  if (json_) {
    return json_->matches(message);
  }
  if (columns_) {
    return columns_->matches(message);
  }
  const auto is_there = [&](const Term& term) { return has(message, term); };
  if (std::ranges::any_of(excluded_, is_there)) {
    return false;
  }
  if (required_.empty() && !alternatives_.empty()) {
    return std::ranges::any_of(alternatives_, is_there);
  }
  return std::ranges::all_of(required_, is_there);
}

}  // namespace dormouse::logs
