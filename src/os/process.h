// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"

namespace dormouse::os {

// How a process ended: by exit code or by signal.
struct ProcessEnd {
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string describe() const;  // "exit code 1", "signal 9 (Killed)", "unknown"
};

// What to start. The child gets exactly the descriptors named here, under the numbers given; nothing else is inherited.
struct SpawnRequest {
  std::vector<std::string> arguments;            // [0] is the program's path
  std::vector<std::string> environment;          // "NAME=value"; nothing is inherited
  std::vector<std::pair<int, int>> descriptors;  // {ours, the child's number}; numbers from 0 on
};

// A process known by pid and start time, so that a number used again is never mistaken for it. It may be a child of ours
// or not; it is not ended by destruction. Move only.
class Process {
 public:
  static Result<Process> spawn(const SpawnRequest& request);
  // A process that something else started. kNotFound when it is gone or another has its number.
  static Result<Process> open(pid_t pid, std::uint64_t start_time);

  pid_t pid() const { return pid_; }
  std::uint64_t start_time() const { return start_time_; }  // clock ticks after boot, proc(5) field 22
  int descriptor() const { return pidfd_.get(); }           // readable when the process has ended

  void kill(int signal) const;  // to a process that has ended: nothing happens
  // Waits for the end. For a process that is not our child the way it ended is unknown.
  Result<ProcessEnd> wait(const Context& context);

 private:
  Process(pid_t pid, std::uint64_t start_time, UniqueFd pidfd)
      : pid_(pid), start_time_(start_time), pidfd_(std::move(pidfd)) {}

  pid_t pid_ = -1;
  std::uint64_t start_time_ = 0;
  UniqueFd pidfd_;
  std::optional<ProcessEnd> end_;
};

// Memory that a process has in use, in bytes.
struct ProcessMemory {
  std::uint64_t resident = 0;
  // What it wrote of private mappings of files counts, what it merely read of them does not.
  std::uint64_t anonymous = 0;
};
// Of proc(5), statm. Nothing if there is no such process.
std::optional<ProcessMemory> memory_of(pid_t pid);

// Start time of a process, proc(5) field 22; nothing if there is none.
std::optional<std::uint64_t> start_time_of(pid_t pid);

}  // namespace dormouse::os
