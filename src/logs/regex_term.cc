// SPDX-License-Identifier: Apache-2.0

#include "logs/regex_term.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <re2/re2.h>

namespace dormouse::logs {

namespace {

constexpr std::int64_t kMemoryMax = 1 << 20;  // of the compiled expression and its cache
constexpr std::string_view kSymbols = ":_#=@/;,- ";
constexpr std::string_view kOperators = "^$?[]{}|\\*+.";
constexpr std::string_view kClassEscapes = "dDsSwW";

bool is_in(std::string_view characters, char character) { return characters.find(character) != std::string_view::npos; }

bool stands_for_itself(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || is_in(kSymbols, character);
}

tl::unexpected<Error> wrong(std::string_view expression, std::string_view why) {
  return fail(ErrorKind::kInvalidArgument, fmt::format("the regular expression '{}' {}", expression, why));
}

// Checks an expression against the service's language and writes it as RE2 understands it.
class Translation {
 public:
  explicit Translation(std::string_view expression) : expression_(expression), rest_(expression) {}

  Result<std::string> run() {
    while (!rest_.empty()) {
      DM_TRY(element(), "");
      if (repeated_ > RegexTerm::kRepeatedMax) {
        return wrong(
            expression_,
            fmt::format(
                "has classes, dots and repetitions that stand for more than {} characters: repeat less often, or "
                "use * or +",
                RegexTerm::kRepeatedMax));
      }
    }
    return std::move(translated_);
  }

 private:
  void copy(std::size_t size) {
    translated_ += rest_.substr(0, size);
    rest_.remove_prefix(size);
  }

  Status refuse(std::string_view why) const { return wrong(expression_, why); }

  Status refuse_character() const {
    const auto byte = static_cast<unsigned char>(rest_.front());
    if (byte >= 0x80U) {
      return refuse(
          "has a character beyond ASCII, which regular expressions of filter patterns do not know: use . for it");
    }
    const std::string shown = std::isprint(byte) != 0 ? std::string(1, rest_.front()) : fmt::format("\\x{:02X}", byte);
    return refuse(
        fmt::format("has '{}', which regular expressions of filter patterns do not know: write \\x{:02X} for the "
                    "character{}",
                    shown,
                    byte,
                    shown == "(" || shown == ")" ? "; there are no groups" : ""));
  }

  // What matches one character, an anchor or |; with a repetition where one follows.
  Status element() {
    const char first = rest_.front();
    if (first == '|' || first == '^' || first == '$') {
      copy(1);
      return is_repetition() ? refuse(nothing_to_repeat()) : Status();
    }
    if (is_repetition()) {
      return refuse(nothing_to_repeat());
    }
    bool is_wide = true;  // matches several characters
    if (first == '.') {
      copy(1);
    } else if (first == '[') {
      DM_TRY(character_class(), "");
    } else if (first == '\\') {
      is_wide = rest_.size() > 1 && is_in(kClassEscapes, rest_[1]);
      DM_TRY(escape(), "");
    } else if (first == ']' || first == '}' || stands_for_itself(first)) {
      is_wide = false;
      translated_ += first == ']' || first == '}' ? "\\" : "";
      copy(1);
    } else {
      return refuse_character();
    }
    DM_ASSIGN(const std::optional<int> times, repetition(), "");
    repeated_ += times.value_or(is_wide ? 1 : 0);
    return {};
  }

  bool is_repetition() const { return !rest_.empty() && is_in("*+?{", rest_.front()); }

  std::string nothing_to_repeat() const {
    return fmt::format(
        "repeats nothing with '{0}': put a character or a class before it, or write \\{0} for the character",
        rest_.front());
  }

  Status escape() {
    const char next = rest_.size() > 1 ? rest_[1] : '\0';
    if (next == 'x') {
      return hexadecimal();
    }
    if (next == '_') {  // which needs none, and RE2 does not know
      rest_.remove_prefix(1);
      copy(1);
      return {};
    }
    if (next == '\0' || (!is_in(kSymbols, next) && !is_in(kOperators, next) && !is_in(kClassEscapes, next))) {
      return refuse(
          fmt::format("has '{}', which is no escape of filter patterns: there are \\d, \\D, \\s, \\S, \\w, \\W, \\xhh "
                      "and an operator as itself, such as \\.",
                      next == '\0' ? std::string_view("\\") : rest_.substr(0, 2)));
    }
    copy(2);
    return {};
  }

  Status hexadecimal() {
    unsigned value = 0;
    const std::string_view digits = rest_.substr(2, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + digits.size() || value > 0x7FU) {
      return refuse(
          fmt::format("has '{}': behind \\x stand the two hexadecimal digits of an ASCII character, such as \\x28",
                      rest_.substr(0, 4)));
    }
    copy(4);
    return {};
  }

  Status character_class() {
    constexpr std::string_view kNotClosed =
        "has a class that is not closed: put ] at its end, or write \\[ for the character";
    copy(rest_.starts_with("[^") ? 2 : 1);
    if (rest_.starts_with(']')) {
      return refuse("has an empty class: put characters between [ and ], or write \\] for the character");
    }
    while (!rest_.empty() && rest_.front() != ']') {
      const char next = rest_.front();
      if (next == '\\') {
        DM_TRY(escape(), "");
      } else if (next == '[') {
        return refuse("has a '[' within a class: write \\[ for the character");
      } else if (stands_for_itself(next) || is_in(kOperators, next)) {
        copy(1);
      } else {
        return refuse_character();
      }
    }
    if (rest_.empty()) {
      return refuse(kNotClosed);
    }
    copy(1);
    return {};
  }

  // How often a repetition that is here repeats at the most, as far as it says; none where there is no such number to pay for.
  Result<std::optional<int>> repetition() {
    if (!is_repetition()) {
      return std::nullopt;
    }
    const std::string_view before = rest_;
    std::optional<int> times;
    if (rest_.front() == '{') {
      DM_ASSIGN(times, counted(), "");
    } else {
      copy(1);
    }
    if (is_repetition()) {
      return wrong(
          expression_,
          fmt::format("repeats twice with '{}': one repetition follows a character; write \\{} for the character",
                      before.substr(0, before.size() - rest_.size() + 1),
                      rest_.front()));
    }
    return times;
  }

  // {m}, {m,}, {,n} or {m,n}, which RE2 takes without the first number for text.
  Result<std::optional<int>> counted() {
    const std::size_t end = rest_.find('}');
    const std::string_view inner = rest_.substr(1, end == std::string_view::npos ? end : end - 1);
    const std::size_t comma = inner.find(',');
    const bool has_comma = comma != std::string_view::npos;
    std::string_view upper = has_comma ? inner.substr(comma + 1) : "";
    upper.remove_prefix(std::min(upper.find_first_not_of(' '), upper.size()));
    const auto least = count_of(inner.substr(0, comma));
    const auto most = count_of(upper);
    const bool is_sound = end != std::string_view::npos && least && most && (*least >= 0 || *most >= 0) &&
                          (*least < 0 || *most < 0 || *least <= *most);
    if (!is_sound) {
      return wrong(expression_,
                   fmt::format("has '{}': in braces stands how often the character before is repeated, such as {{3}}, "
                               "{{2,}}, {{,5}} or {{2,5}}, at most {}; write \\{{ for the character",
                               rest_.substr(0, end == std::string_view::npos ? end : end + 1),
                               RegexTerm::kRepeatedMax));
    }
    translated_ += fmt::format("{{{}", std::max(*least, 0));
    translated_ += has_comma ? "," : "";
    translated_ += *most < 0 ? "}" : fmt::format("{}}}", *most);
    rest_.remove_prefix(end + 1);
    return std::max(*least, *most);
  }

  // -1 for an empty text, nothing for what is no number up to kRepeatedMax.
  static std::optional<int> count_of(std::string_view text) {
    int count = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    return text.empty() || (is_number && count >= 0 && count <= RegexTerm::kRepeatedMax) ? std::optional(count)
                                                                                         : std::nullopt;
  }

  const std::string_view expression_;
  std::string_view rest_;
  std::string translated_;
  int repeated_ = 0;
};

}  // namespace

Result<RegexTerm> RegexTerm::parse(std::string_view expression) {
  if (expression.empty()) {
    return fail(ErrorKind::kInvalidArgument, "a regular expression is missing between % and %, such as %ERR.*%");
  }
  DM_ASSIGN(const std::string translated, Translation(expression).run(), "");
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMemoryMax);
  options.set_never_capture(true);
  options.set_dot_nl(true);
  auto compiled = std::make_shared<const RE2>(translated, options);
  if (!compiled->ok()) {
    return wrong(expression, fmt::format("is not understood: {}", compiled->error()));
  }
  return RegexTerm(std::move(compiled));
}

bool RegexTerm::found_in(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace dormouse::logs
