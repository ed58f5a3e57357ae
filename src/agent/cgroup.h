// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::agent {

// The control group (v2) of the application, made by the container runtime.
class Cgroup {
 public:
  explicit Cgroup(std::string directory) : directory_(std::move(directory)) {}

  // Stops every process of the group, or lets them run on, and waits until the kernel says so. A freeze that is not done in
  // time is undone: kDeadlineExceeded.
  Status freeze(std::chrono::milliseconds timeout) const;
  Status thaw(std::chrono::milliseconds timeout) const;

  // Processes of the group that the kernel killed for want of memory; 0 when unknown.
  std::uint64_t out_of_memory_kills() const;

 private:
  Status set_frozen(bool frozen, std::chrono::milliseconds timeout) const;

  std::string directory_;
};

// The number after `key` in a flat keyed file of the kernel's ("frozen 1\n"); `absent` when it is not there.
std::uint64_t keyed_number(std::string_view text, std::string_view key, std::uint64_t absent);

// Writes a file of /proc or /sys in one call.
Status write_kernel_file(const std::string& path, std::string_view text);

}  // namespace dormouse::agent
