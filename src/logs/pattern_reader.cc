// SPDX-License-Identifier: Apache-2.0

#include "logs/pattern_reader.h"

#include <array>
#include <cctype>

#include <fmt/core.h>

namespace dormouse::logs {

namespace {

tl::unexpected<Error> wrong(std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); }

bool is_name(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_' || character == '-' ||
         static_cast<unsigned char>(character) >= 0x80U;
}

// Of a text that needs no quotation marks.
bool is_word(char character) {
  return is_name(character) || std::string_view(".*:/@#+").find(character) != std::string_view::npos;
}

}  // namespace

bool PatternReader::take(std::string_view token) {
  skip_spaces();
  if (!rest_.starts_with(token)) {
    return false;
  }
  remove(token.size());
  return true;
}

bool PatternReader::take_keyword(std::string_view keyword) {
  skip_spaces();
  if (!rest_.starts_with(keyword) || (rest_.size() > keyword.size() && is_name(rest_[keyword.size()]))) {
    return false;
  }
  remove(keyword.size());
  return true;
}

std::string_view PatternReader::take_name() { return take_while(is_name); }

Result<std::string> PatternReader::take_quoted() {
  std::string text;
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '"') {
      remove(i + 1);
      return text;
    }
    if (rest_[i] == '\\' && i + 1 < rest_.size()) {
      ++i;
    }
    text += rest_[i];
  }
  return wrong("a closing quotation mark is missing");
}

Result<RegexTerm> PatternReader::take_regex() {
  const std::size_t end = rest_.find('%', 1);
  if (end == std::string_view::npos) {
    return wrong("the closing % of a regular expression is missing");
  }
  if (++regexes_ > kRegexesMax) {
    return wrong(
        fmt::format("there are more than {} regular expressions, which are the most that a pattern may have: join "
                    "some with |, or use * or terms",
                    kRegexesMax));
  }
  const std::string_view expression = rest_.substr(1, end - 1);
  remove(end + 1);
  return RegexTerm::parse(expression);
}

std::optional<Operator> PatternReader::take_operator() {
  constexpr std::array<std::pair<std::string_view, Operator>, 6> kOperators = {{{"!=", Operator::kNotEqual},
                                                                                {"<=", Operator::kLessEqual},
                                                                                {">=", Operator::kGreaterEqual},
                                                                                {"=", Operator::kEqual},
                                                                                {"<", Operator::kLess},
                                                                                {">", Operator::kGreater}}};
  for (const auto& [token, comparing] : kOperators) {
    if (take(token)) {
      return comparing;
    }
  }
  return std::nullopt;
}

Result<Operand> PatternReader::take_operand(Operator comparing) {
  skip_spaces();
  Operand operand;
  const std::string_view before = rest_;
  if (rest_.starts_with('%')) {
    DM_ASSIGN(operand.regex, take_regex(), "");
  } else if (rest_.starts_with('"')) {
    operand.is_quoted = true;
    DM_ASSIGN(operand.text, take_quoted(), "");
  } else {
    operand.text = take_while(is_word);
    operand.number = number_of(operand.text);
    if (operand.text.empty()) {
      return wrong("a value is missing after the operator");
    }
  }
  if (is_order(comparing) && !operand.number) {
    const std::string_view shown = operand.regex ? before.substr(0, before.size() - rest_.size()) : operand.text;
    return wrong(fmt::format("'{}' is no number, and <, <=, > and >= compare numbers", shown));
  }
  return operand;
}

}  // namespace dormouse::logs
