// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "host/guest.h"
#include "host/host.h"
#include "host/template_store.h"
#include "host/user_pool.h"
#include "host/vm_files.h"
#include "host/watcher.h"

namespace dormouse::host {

class WarmPool;

// What does not change while the daemon runs and decides which snapshots fit.
struct Engine {
  vmm::Acceleration acceleration = vmm::Acceleration::kTcg;
  std::string acceleration_reason;
  std::string qemu_version;
  std::uint64_t tsc_khz = 0;
};

// What the VMs of one host share; outlives them.
struct VmSupport {
  GuestSupport& guest;
  TemplateStore& templates;
  UserPool& users;
  Watcher& watcher;
  const Engine& engine;
  // An empty qcow2 of this virtual size, to be copied.
  std::function<Result<std::filesystem::path>(std::uint64_t size_bytes, const os::Context&)> empty_overlay;
  WarmPool* warm = nullptr;  // none: every launch starts from nothing
};

// A guest with what it stands on: a directory with its overlay, a user, the template. Destroying it leaves the process and
// the directory; discard() removes them.
struct Clone {
  std::filesystem::path directory;
  std::shared_ptr<const Template> source;
  UserPool::Lease user;
  std::shared_ptr<Guest> guest;
  std::filesystem::path snapshot;
  Egress egress = Egress::kInternet;

  void discard();
};

network::Egress to_network(Egress egress);

// A QEMU process over the template of `clone` and the overlay in its directory, waiting for its device state.
Result<std::shared_ptr<Guest>> start_over(VmSupport& support,
                                          const std::string& name,
                                          const Clone& clone,
                                          const os::Context& context);

// The first half of make_clone(): its process waits for a device state, over an empty overlay.
Result<Clone> start_clone(VmSupport& support,
                          const std::string& name,
                          const std::filesystem::path& directory,
                          const std::filesystem::path& snapshot,
                          Egress egress,
                          const os::Context& context);

// Makes a clone of a snapshot in `directory`, which must not exist: restored, reseeded, its vCPUs running; its application
// runs if an identity is given. Nothing of it is left when this fails.
Result<Clone> make_clone(VmSupport& support,
                         const std::string& name,
                         const std::filesystem::path& directory,
                         const std::filesystem::path& snapshot,
                         Egress egress,
                         const std::optional<Identity>& identity,
                         const os::Context& context);

}  // namespace dormouse::host
