// SPDX-License-Identifier: Apache-2.0

#include "logs/message_fields.h"

#include <algorithm>
#include <optional>

#include "logs/pattern_reader.h"

namespace dormouse::logs {

namespace {

// Where the text ends that begins with a mark at text[0]: the place of the mark that closes it.
std::optional<std::size_t> closing(std::string_view text) {
  if (text.front() == '[') {
    const std::size_t at = text.find(']');
    return at == std::string_view::npos ? std::nullopt : std::optional(at);
  }
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') {
      return at;
    }
    if (text[at] == '\\') {
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<MessageField> split_fields(std::string_view message) {
  const std::size_t last = message.find_last_not_of(kSpaces);
  message = message.substr(0, last == std::string_view::npos ? 0 : last + 1);
  std::vector<MessageField> fields;
  bool brackets_close = true;  // once one is not closed, none behind it is; of quotation marks only the last may not be
  for (;;) {
    message.remove_prefix(std::min(message.find_first_not_of(kSpaces), message.size()));
    if (message.empty()) {
      return fields;
    }
    std::optional<std::size_t> close;
    if (message.front() == '"' || (message.front() == '[' && brackets_close)) {
      close = closing(message);
      brackets_close = brackets_close && (close || message.front() != '[');
    }
    const std::size_t size = std::min(message.find_first_of(kSpaces, close.value_or(0)), message.size());
    const bool is_marked = close && *close + 1 == size;
    fields.push_back({is_marked ? message.substr(1, *close - 1) : message.substr(0, size), message});
    message.remove_prefix(size);
  }
}

}  // namespace dormouse::logs
