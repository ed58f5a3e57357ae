// SPDX-License-Identifier: Apache-2.0
//
// Where the application's container lives in the guest, and how its root file system and bundle are made.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/refuse.h"
#include "agent/users.h"
#include "protocol/requests.h"

namespace dormouse::agent {

inline constexpr std::string_view kApplicationDirectory = "/var/lib/dormouse/application";  // the application disk
inline constexpr std::string_view kRunDirectory = "/run/dormouse";                          // tmpfs
inline constexpr std::string_view kCgroupPath = "/system.slice/app";
inline constexpr std::string_view kContainerName = "app";

std::string bundle_directory();
std::string runtime_log_path();
std::string pid_file_path();

// Reads application.json, mounts the overlay of its layers and writes the bundle. What is returned is who the container's
// process is. Refusal codes: see the format document, operation start_application.
Answered<UserIds> prepare_container(const protocol::StartApplication& request);

// Gives the running container another name, in its /etc/hostname and /etc/hosts, or another /etc/machine-id.
Status write_hostname(const std::string& hostname);
Status write_machine_id(const std::string& id);

// How crun is called; `command` and its arguments follow.
std::vector<std::string> runtime_arguments();

}  // namespace dormouse::agent
