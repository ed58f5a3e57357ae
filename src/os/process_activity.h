// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace dormouse::os {

// What a process has done since it began, all its threads together.
struct ProcessActivity {
  std::chrono::milliseconds ran{};     // on a processor
  std::chrono::milliseconds waited{};  // for a processor, while others ran; of the threads that live
  std::uint64_t network_bytes = 0;     // over the interfaces of its network namespace but lo, both ways
  bool waits_for_disk = false;         // a thread is in an uninterruptible sleep (state D) now
};

// Of proc(5). Nothing if there is no such process.
std::optional<ProcessActivity> activity_of(pid_t pid);

// A line for each thread: id, name, state, where it waits in the kernel, processor time. For diagnosis.
std::string describe_threads(pid_t pid);

}  // namespace dormouse::os
