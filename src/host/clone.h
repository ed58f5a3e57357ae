// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/engine_store.h"
#include "host/guest.h"
#include "host/host.h"
#include "host/template_store.h"
#include "host/user_pool.h"
#include "host/watcher.h"
#include "os/worker_pool.h"
#include "snapshot/vm_files.h"

namespace dormouse::host {

class KeptProcesses;
class WarmPool;

// What the VMs of one host share; outlives them.
struct VmSupport {
  GuestSupport& guest;
  TemplateStore& templates;
  UserPool& users;
  Watcher& watcher;
  engine::EngineStore& engines;
  const snapshot::Platform& platform;
  os::WorkerPool& disposal;  // of what nobody waits for
  // An empty qcow2 of this virtual size, to be copied.
  std::function<Result<std::filesystem::path>(std::uint64_t size_bytes, const os::Context&)> empty_overlay;
  WarmPool* warm = nullptr;       // none: every launch starts from nothing
  KeptProcesses* kept = nullptr;  // none: a suspended VM has no process
};

// A guest with what it stands on: a directory with its overlay, a user, the template. Destroying it leaves the process and
// the directory; discard() removes them.
struct Clone {
  std::filesystem::path directory;
  std::shared_ptr<const Template> source;
  std::string engine_digest;                     // of the engine that the guest runs on
  std::shared_ptr<const engine::Engine> engine;  // it, unless an earlier daemon started the guest
  UserPool::Lease user;
  std::shared_ptr<Guest> guest;
  std::filesystem::path snapshot;
  Egress egress = Egress::kInternet;

  void discard();
};

network::Egress to_network(Egress egress);

// The engine that a guest of this snapshot is to run on, with what was saved under the engine `saved_under`: that one. kConflict,
// with the reason, when it is not to be had, or the snapshot does not fit this host.
Result<std::shared_ptr<const engine::Engine>> engine_for(VmSupport& support,
                                                         const snapshot::SnapshotManifest& manifest,
                                                         const std::string& saved_under = {});

// Whom a clone is made for: a VM, or nobody yet (GuestRequest::in_stock).
enum class For { kVm, kStock };

// A QEMU process of its engine over the template of `clone` and the overlay in its directory, waiting for its device state.
Result<std::shared_ptr<Guest>> start_over(
    VmSupport& support, const std::string& name, const Clone& clone, For whom, const os::Context& context);

struct CloneRequest {
  std::string name;                 // of its guest
  std::filesystem::path directory;  // must not exist
  std::filesystem::path snapshot;
  Egress egress = Egress::kInternet;
};

// Of the three below, nothing is left when they fail.

// The first half of make_clone(): its process waits for a device state, over an empty overlay.
Result<Clone> start_clone(VmSupport& support, const CloneRequest& request, For whom, const os::Context& context);

// A clone that is restored, reseeded and has an identity; its application runs.
Result<Clone> make_clone(VmSupport& support,
                         const CloneRequest& request,
                         const Identity& identity,
                         const os::Context& context);

// A clone for a launch that is still to come: restored, reseeded, its vCPUs running, its application frozen, in stock,
// with an identity that no other has. Whoever takes it commissions and renews it.
Result<Clone> make_settled_clone(VmSupport& support, const CloneRequest& request, const os::Context& context);

}  // namespace dormouse::host
