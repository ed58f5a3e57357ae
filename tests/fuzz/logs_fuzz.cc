// SPDX-License-Identifier: Apache-2.0
//
// What a guest writes and what a reader filters by: the first byte says which of the two the rest is.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "logs/filter_pattern.h"
#include "logs/output_intake.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) {
    return 0;
  }
  const bool pattern = (static_cast<unsigned char>(text.front()) & 1U) != 0;
  text.remove_prefix(1);
  if (!pattern) {
    cut(text);
    return 0;
  }
  const std::size_t line = std::min(text.find('\n'), text.size());
  if (const auto parsed = dormouse::logs::FilterPattern::parse(text.substr(0, line))) {
    (void)parsed->matches(text.substr(std::min(line + 1, text.size())));
  }
  return 0;
}
