// SPDX-License-Identifier: Apache-2.0

#include "logs/column_pattern.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace dormouse::logs {

namespace {

tl::unexpected<Error> wrong(std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); }

// Whether a column ends here, behind spaces, or the whole text does.
bool at_end_of_column(PatternReader reader) {
  reader.skip_spaces();
  return reader.rest().empty() || reader.rest().starts_with(',') || reader.rest().starts_with(']');
}

// NAME OPERATOR OPERAND, the name being the same throughout the column: `name` is empty before the first.
Result<Comparison> read_comparison(PatternReader& reader, std::string& name) {
  reader.skip_spaces();
  const std::string_view found = reader.take_name();
  if (found.empty()) {
    return wrong(
        "the name of a column is missing: a column is a name, a comparison such as status = 4*, or ...; "
        "commas separate columns");
  }
  if (!name.empty() && found != name) {
    return wrong(
        fmt::format("the column '{0}' is compared by the name '{1}': a column has one name; put a comma before "
                    "'{1}', or write '{0}'",
                    name,
                    found));
  }
  name = found;
  const auto comparing = reader.take_operator();
  if (!comparing) {
    return wrong(fmt::format("after the column '{}' stands a comma, ']', or =, !=, <, <=, > or >= and a value", name));
  }
  Comparison comparison;
  comparison.comparing = *comparing;
  DM_ASSIGN(comparison.operand, reader.take_operand(*comparing), "");
  return comparison;
}

}  // namespace

Result<ColumnPattern::Column> ColumnPattern::read_column(PatternReader& reader) {
  Column column;
  PatternReader behind_name = reader;
  behind_name.skip_spaces();
  (void)behind_name.take_name();
  if (reader.take("...")) {
    column.is_ellipsis = true;
  } else if (at_end_of_column(behind_name)) {
    reader = behind_name;
  } else {
    std::string name;
    const auto read_leaf = [&] { return read_comparison(reader, name); };
    DM_ASSIGN(column.condition, read_expression<Comparison>(reader, read_leaf), "");
  }
  if (!at_end_of_column(reader)) {
    reader.skip_spaces();
    return wrong(fmt::format("a comma or the closing ']' is missing before '{}'", reader.rest()));
  }
  return column;
}

Result<ColumnPattern> ColumnPattern::parse(std::string_view text) {
  PatternReader reader(text);
  if (!reader.take("[")) {
    return wrong("'[' is missing");
  }
  ColumnPattern parsed;
  if (PatternReader ahead = reader; ahead.take("]")) {
    return wrong("columns are missing between '[' and ']', such as [level = ERROR, ...]");
  }
  do {
    DM_ASSIGN(Column column, read_column(reader), "");
    parsed.has_ellipsis_ = parsed.has_ellipsis_ || column.is_ellipsis;
    parsed.columns_.push_back(std::move(column));
  } while (reader.take(","));
  if (!reader.take("]")) {
    return wrong("the closing ']' is missing");
  }
  reader.skip_spaces();
  if (!reader.rest().empty()) {
    return wrong(fmt::format("'{}' follows the closing ']'", reader.rest()));
  }
  return parsed;
}

bool ColumnPattern::holds(const Column& column, std::string_view field) {
  if (!column.condition) {
    return true;
  }
  const auto number = number_of(field);
  return column.condition->holds([&](const Comparison& comparison) { return comparison.holds(field, number); });
}

bool ColumnPattern::matches(std::string_view message) const {
  std::vector<MessageField> fields = split_fields(message);
  if (!has_ellipsis_ && fields.size() > columns_.size()) {
    fields.resize(columns_.size());
    fields.back().text = fields.back().rest;
  }
  // As with * in a text: a mismatch has the last ellipsis take one field more.
  std::size_t at = 0;
  std::size_t next = 0;
  std::optional<std::size_t> ellipsis;
  std::size_t resumed = 0;
  while (at < fields.size()) {
    if (next < columns_.size() && columns_[next].is_ellipsis) {
      ellipsis = next++;
      resumed = at;
    } else if (next < columns_.size() && holds(columns_[next], fields[at].text)) {
      ++next;
      ++at;
    } else if (ellipsis) {
      next = *ellipsis + 1;
      at = ++resumed;
    } else {
      return false;
    }
  }
  const auto rest = columns_.begin() + static_cast<std::ptrdiff_t>(next);
  return std::all_of(rest, columns_.end(), [](const Column& column) { return column.is_ellipsis; });
}

}  // namespace dormouse::logs
