// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/engine.h"
#include "host/guest.h"
#include "network/egress_server.h"
#include "os/context.h"
#include "snapshot/manifest.h"
#include "vmm/machine.h"

namespace dormouse::host {

// The machine of a new guest on this platform.
vmm::MachineModel new_machine(const snapshot::Platform& platform,
                              std::uint32_t memory_mib,
                              std::uint32_t vcpus,
                              std::vector<std::string> disks);

// Memory for a machine, given to the user that its VMM runs as. The first is for a guest that is thrown away: no page of it
// needs a disk. The second is a file, in place of one that is there.
Result<UniqueFd> anonymous_memory(std::uint32_t memory_mib, unsigned user);
Result<UniqueFd> create_memory(const std::filesystem::path& path, std::uint32_t memory_mib, unsigned user);

// A guest that boots a kernel, as those that snapshots are made of do. Clones do not.
struct BootRequest {
  std::string name;                 // as GuestRequest's
  std::filesystem::path directory;  // likewise; made if need be
  std::string role;                 // that its agent takes
  std::shared_ptr<const engine::Engine> engine;
  vmm::MachineModel model;
  std::vector<std::filesystem::path> disks;  // raw; one for each of model.disks
  UniqueFd memory;
  unsigned user = 0;
  network::Egress egress = network::Egress::kNone;
  std::filesystem::path kernel;
  std::filesystem::path initramfs;
  // A guest whose kernel measured its timer wrong resets itself (src/agent/timer_check.h), unless this is set.
  bool any_timer = false;
};

// Starts it and waits until its agent answers; when that takes longer than `timeout`, or fails, its process is ended.
// kUnavailable: QEMU ended, or did not start. kDeadlineExceeded.
Result<std::unique_ptr<Guest>> boot_guest(GuestSupport& support,
                                          BootRequest request,
                                          std::chrono::seconds timeout,
                                          const os::Context& context);

}  // namespace dormouse::host
