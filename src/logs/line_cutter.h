// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dormouse::logs {

// Cuts a stream of bytes into lines. A line ends with LF or CR LF, which are not part of it. One that is longer than
// `line_bytes_max` is cut into several, between UTF-8 characters where it has any. Empty lines are left out: an event has a
// text. Holds one line at most. One thread.
class LineCutter {
 public:
  explicit LineCutter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  using Take = std::function<void(std::string line)>;

  void feed(std::string_view bytes, const Take& take);
  // The beginning of a line whose end has not come, as a line.
  void flush(const Take& take);

  std::size_t pending_bytes() const { return pending_.size(); }

 private:
  void cut_long(const Take& take);

  const std::size_t line_bytes_max_;
  std::string pending_;
};

}  // namespace dormouse::logs
