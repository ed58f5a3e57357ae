// SPDX-License-Identifier: Apache-2.0
//
// What a guest writes and what a reader filters by: the first byte says which of them the rest is.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "logs/filter_pattern.h"
#include "logs/message_fields.h"
#include "logs/output_intake.h"
#include "logs/regex_term.h"

namespace {

using namespace dormouse;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

// The bytes in pieces, told twice over: every line is there once, and no limit is passed.
void cut(std::string_view bytes) {
  logs::IntakeLimits limits;
  limits.line_bytes_max = 16;
  limits.pending_bytes_max = 1U << 20U;
  logs::OutputIntake intake(limits, 0);
  const WallTime wall{};
  const SteadyTime now{};
  std::string expected;
  std::string got;
  for (const char byte : bytes) {
    expected += byte == '\n' || byte == '\r' ? "" : std::string(1, byte);
  }
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t size = 1 + static_cast<unsigned char>(bytes[at]) % 24;
    const std::size_t from = at - std::min<std::size_t>(at, static_cast<unsigned char>(bytes[at]) % 5);
    intake.take({from, 0, bytes.substr(from, at - from + size)}, true, wall, now);
    at = std::min(at + size, bytes.size());
    require(*intake.settled_offset() <= at);
  }
  intake.finish(wall);
  for (const logs::NewEvent& event : intake.take_events()) {
    require(!event.message.empty() && event.message.size() <= 16);
    for (const char byte : event.message) {
      got += byte == '\r' ? "" : std::string(1, byte);
    }
  }
  if (bytes.size() < 4096) {
    require(got == expected);
  }
}

// A pattern and behind the first line break the message.
void filter(std::string_view pattern, std::string_view message) {
  if (const auto parsed = logs::FilterPattern::parse(pattern)) {
    (void)parsed->matches(message);
  }
}

// An expression is taken or refused, and what is written with escapes alone is found in its own text.
void search(std::string_view expression, std::string_view text) {
  if (const auto regex = logs::RegexTerm::parse(expression)) {
    (void)regex->found_in(text);
  }
  std::string escaped;
  const std::string_view part = text.substr(0, 64);
  for (const char byte : part) {
    escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  const bool is_ascii = std::all_of(part.begin(), part.end(), [](char byte) { return (byte & 0x80) == 0; });
  const auto regex = logs::RegexTerm::parse(escaped);
  require(regex.has_value() == (is_ascii && !part.empty()));
  require(!regex || regex->found_in(text));
}

// Fields lie in the message one behind the other, and nothing but spaces and their marks is between them.
void split(std::string_view message) {
  const char* at = message.data();
  const auto require_between = [&](const char* end) {
    require(at <= end);
    for (; at != end; ++at) {
      require(std::string_view(" \t\r\n[]\"").find(*at) != std::string_view::npos);
    }
  };
  for (const logs::MessageField& field : logs::split_fields(message)) {
    require_between(field.text.data());
    require(field.rest.data() <= field.text.data());
    at += field.text.size();
  }
  require_between(message.data() + message.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) {
    return 0;
  }
  const auto kind = static_cast<unsigned char>(text.front()) % 4;
  text.remove_prefix(1);
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::string_view rest = text.substr(std::min(line.size() + 1, text.size()));
  switch (kind) {
    case 0: cut(text); break;
    case 1: filter(line, rest); break;
    case 2: search(line, rest); break;
    default: split(text); break;
  }
  return 0;
}
