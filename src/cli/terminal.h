// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::cli {

// Where a command writes: the answer, and nothing else, to standard output; progress and notes to standard error. Progress
// is shown on a terminal alone: one line that is overwritten.
class Terminal {
 public:
  Terminal(std::ostream& out, std::ostream& err, bool interactive) : out_(out), err_(err), interactive_(interactive) {}
  ~Terminal() { clear_progress(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void answer(std::string_view text);  // with a line break at its end if it has none
  void raw(std::string_view bytes);    // as it is
  void table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows);
  void note(std::string_view text);    // to standard error, above the progress line
  void stream(std::string_view text);  // to standard error, in pieces of any size
  void progress(std::string_view text);
  void clear_progress();

  bool interactive() const { return interactive_; }

 private:
  std::ostream& out_;
  std::ostream& err_;
  bool interactive_;
  bool at_line_start_ = true;  // of what stream() wrote
  std::string shown_;
};

// "0.12 s", "41 s", "3 min 05 s".
std::string duration_text(double seconds);
// "512 B", "1.5 MiB".
std::string size_text(double bytes);
// "2026-01-02 03:04:05 UTC" of seconds since the epoch.
std::string time_text(double epoch_seconds);

}  // namespace dormouse::cli
