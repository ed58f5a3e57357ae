// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/image_config.h"
#include "agent/users.h"
#include "protocol/requests.h"

namespace dormouse::agent {

struct RuntimePlan {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;
  UserIds user;
  std::string hostname;
  std::uint64_t memory_max_bytes = 0;
  bool all_capabilities = false;
  int last_capability = 40;     // /proc/sys/kernel/cap_last_cap
  bool fuse = false;            // /dev/fuse exists
  std::string cgroup_path;      // "/system.slice/app"
  std::string files_directory;  // holds resolv.conf, hosts, hostname, machine-id
};

// config.json of the application's bundle (OCI runtime specification 1.0), root file system "rootfs" beside it. As Docker has
// it by default, but for the network, which is the guest's, and for seccomp, whose place is the machine's boundary.
std::string make_runtime_config(const RuntimePlan& plan);

// The application's environment: the image's, over it the version's, over it what is injected, and defaults for PATH and
// HOME. "NAME=value".
std::vector<std::string> merge_environment(const ImageConfig& image,
                                           const protocol::StartApplication& request,
                                           const std::string& home);

// The value of `name` in an environment, or "".
std::string value_of(const std::vector<std::string>& environment, std::string_view name);

}  // namespace dormouse::agent
