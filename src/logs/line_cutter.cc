// SPDX-License-Identifier: Apache-2.0

#include "logs/line_cutter.h"

#include <algorithm>
#include <utility>

namespace dormouse::logs {

namespace {

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Where to cut `line` so that its first part has `size_max` bytes at most.
std::size_t cut_at(std::string_view line, std::size_t size_max) {
  constexpr std::size_t kCharacterBytesMax = 4;
  for (std::size_t back = 0; back < std::min(kCharacterBytesMax, size_max); ++back) {
    if (!continues_character(line[size_max - back])) {
      return size_max - back;
    }
  }
  return size_max;  // no UTF-8
}

void pass_on(std::string line, const LineCutter::Take& take) {
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  if (!line.empty()) {
    take(std::move(line));
  }
}

}  // namespace

void LineCutter::cut_long(const Take& take) {
  while (pending_.size() > line_bytes_max_) {
    const std::size_t size = cut_at(pending_, line_bytes_max_);
    take(pending_.substr(0, size));
    pending_.erase(0, size);
  }
}

void LineCutter::feed(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    // In portions, so that no more than a line and a portion is ever held.
    const std::size_t portion = std::min(end, line_bytes_max_);
    pending_.append(bytes.substr(0, portion));
    cut_long(take);
    if (portion == end) {
      pass_on(std::exchange(pending_, {}), take);
      bytes.remove_prefix(end + 1);
    } else {
      bytes.remove_prefix(std::min(portion, bytes.size()));
    }
  }
}

void LineCutter::flush(const Take& take) { pass_on(std::exchange(pending_, {}), take); }

}  // namespace dormouse::logs
