// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "protocol/answers.h"

namespace dormouse::agent {

// Makes the machine that the kernel handed over to PID 1 into the guest that the host expects: modules, disks (told apart by
// virtio serial), root file system, kernel file systems, control groups, network. Called once, from the initramfs.
Result<protocol::Role> boot();

// One line to the console.
void console(std::string_view line);

// Kills all other processes, then writes the application disk out and unmounts it, or makes it read-only.
Status settle_disks();

[[noreturn]] void power_off();

}  // namespace dormouse::agent
