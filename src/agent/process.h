// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/refuse.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::agent {

inline constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct ProcessPlan {
  std::string program;  // a path
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory = "/";
  int input = -1;  // descriptors that become 0, 1 and 2; all other ones are closed
  int output = -1;
  int error = -1;
};

// Starts a process in a session and process group of its own, with default signals and without the agent's protection from
// the kernel's out-of-memory killer. Its end comes through the Reaper.
Result<pid_t> start_process(const ProcessPlan& plan);

// The path of the program that `name` means: itself if it has a slash, else the first in `path`, a list as in $PATH.
Answered<std::string> find_program(std::string_view name, std::string_view path);

// Exempts the agent itself from the out-of-memory killer, or subjects it to it.
Status protect_from_out_of_memory(bool protect);

struct Pipe {
  UniqueFd read_end;   // non-blocking
  UniqueFd write_end;  // blocking
};
Result<Pipe> make_output_pipe();

Status set_nonblocking(int descriptor);

}  // namespace dormouse::agent
