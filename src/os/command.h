// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/context.h"
#include "os/process.h"

namespace dormouse::os {

// A program that is run to its end, with nothing on its standard input.
struct Command {
  std::vector<std::string> arguments;    // [0] is the program's path
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
};

// Called with what the program writes to standard output and standard error, in order, in pieces of any size.
using OutputObserver = std::function<void(std::string_view piece)>;

// Runs `command` in a process group of its own and waits for its end and for the end of its output. When `context` ends,
// the whole group is killed and reaped first. How the program ended is for the caller to judge.
Result<ProcessEnd> run_command(const Command& command, const OutputObserver& observer, const Context& context);

// The same for a program that must exit with 0: returns its output, at most `size_bytes_max`. Otherwise kInternal with the
// last lines of the output.
Result<std::string> run_for_output(const Command& command, std::size_t size_bytes_max, const Context& context);

// The last `lines_max` lines of `text` that are not blank, joined by "; ": for the message of an error.
std::string last_lines(std::string_view text, std::size_t lines_max);

}  // namespace dormouse::os
