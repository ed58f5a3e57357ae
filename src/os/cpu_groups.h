// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::os {

// A mounted hierarchy of control groups that has the cpu controller (cgroups(7)).
struct CpuHierarchy {
  enum class Version { kV1, kV2 };
  Version version = Version::kV2;
  std::filesystem::path root;
};
std::string_view to_string(CpuHierarchy::Version version);  // "cgroup v2"

// Groups of one process each, which have shares of this machine's processors: what each process gets while all together
// want more than there is. Nobody is held back while processors idle. The groups are "dormouse-<process>" at the root of the
// hierarchy, beside those that others made. Whoever knows the process knows its group: also a daemon that found it running.
//
// Thread-safe: the state is the kernel's.
class CpuGroups {
 public:
  // kUnavailable with the reason when no hierarchy has the controller, or groups cannot be made in it. What earlier
  // processes left is removed.
  static Result<CpuGroups> open();

  CpuHierarchy::Version version() const { return hierarchy_.version; }

  // Puts a process with all its threads into a group of its own, whose share is that of so many thousandths of a processor.
  Status place(pid_t process, unsigned thousandths) const;
  // Another share for a process that was placed.
  Status change(pid_t process, unsigned thousandths) const;
  // The group, if there is one, once its process has ended.
  void remove(pid_t process) const;
  // Removes the groups whose processes have ended without that, whoever made them.
  void sweep() const;

 private:
  explicit CpuGroups(CpuHierarchy hierarchy) : hierarchy_(std::move(hierarchy)) {}
  std::filesystem::path group_of(pid_t process) const;
  Status make(const std::filesystem::path& group, unsigned thousandths) const;
  Status set_share(const std::filesystem::path& group, unsigned thousandths) const;

  CpuHierarchy hierarchy_;
};

// What is written for a share: cpu.shares of v1 (1024 a processor), cpu.weight of v2 (100 a processor), within the kernel's
// bounds.
unsigned share_value(CpuHierarchy::Version version, unsigned thousandths);

// The hierarchy among the lines of proc_mounts(5), v2 before v1; nothing if there is none.
std::optional<CpuHierarchy> find_cpu_hierarchy(std::string_view mounts);

}  // namespace dormouse::os
