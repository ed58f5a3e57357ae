// SPDX-License-Identifier: Apache-2.0

#include "host/clone.h"

#include <fcntl.h>

#include <functional>
#include <utility>

#include <fmt/format.h>

#include "base/scope_exit.h"
#include "faults/fault_point.h"
#include "os/file.h"
#include "os/sparse_copy.h"

namespace dormouse::host {

namespace fs = std::filesystem;

network::Egress to_network(Egress egress) {
  return egress == Egress::kNone ? network::Egress::kNone : network::Egress::kInternet;
}

void Clone::discard() {
  if (guest) {
    (void)guest->end(os::Context::with_timeout(kEndTimeout));
    guest.reset();
  }
  (void)os::remove_tree(directory);
}

Result<std::shared_ptr<const engine::Engine>> engine_for(VmSupport& support,
                                                         const snapshot::SnapshotManifest& manifest,
                                                         const std::string& saved_under) {
  DM_TRY(snapshot::check_fits(manifest, support.platform), "");
  if (const std::string& digest = saved_under.empty() ? manifest.engine : saved_under; !digest.empty()) {
    return support.engines.open(digest);
  }
  // It was made before engines were kept: by the system's QEMU.
  std::shared_ptr<const engine::Engine> current = support.engines.current();
  if (manifest.qemu_version != current->qemu_version) {
    return fail(ErrorKind::kConflict,
                fmt::format("the snapshot was made with QEMU {}, and this host has {}: build the image again",
                            manifest.qemu_version,
                            current->qemu_version));
  }
  return current;
}

Result<std::shared_ptr<Guest>> start_over(
    VmSupport& support, const std::string& name, const Clone& clone, For whom, const os::Context& context) {
  const snapshot::VmFiles files(clone.directory);
  GuestRequest request;
  request.name = name;
  request.directory = files.run_directory();
  request.engine = clone.engine;
  request.model = clone.source->manifest.model;
  DM_ASSIGN(request.memory, duplicate(clone.source->memory), "");
  DM_ASSIGN(UniqueFd overlay, os::open_file(files.overlay(), O_RDWR), "");
  DM_ASSIGN(request.disks, clone.source->disks(std::move(overlay)), "");
  request.user = clone.user.id();
  request.egress = to_network(clone.egress);
  request.in_stock = whom == For::kStock;
  request.agent_protocol = clone.source->manifest.agent_protocol;
  DM_ASSIGN(std::shared_ptr<Guest> guest, Guest::start(support.guest, std::move(request), context), "");
  return guest;
}

Result<Clone> start_clone(VmSupport& support, const CloneRequest& request, For whom, const os::Context& context) {
  Clone clone;
  clone.directory = request.directory;
  clone.snapshot = request.snapshot;
  clone.egress = request.egress;
  ScopeExit undo([&] { clone.discard(); });
  DM_ASSIGN(
      clone.source, context.trace().step("template", [&] { return support.templates.open(request.snapshot); }), "");
  DM_ASSIGN(clone.engine, engine_for(support, clone.source->manifest), "");
  clone.engine_digest = clone.engine->digest;
  DM_ASSIGN(clone.user, support.users.take(), "");
  const snapshot::VmFiles files(clone.directory);
  DM_TRY(os::make_directories(files.run_directory()), "");
  DM_ASSIGN(const fs::path empty, support.empty_overlay(os::size_of(clone.source->disk.get()), context), "");
  DM_TRY(context.trace().step("overlay", [&] { return os::copy_sparsely(empty, files.overlay(), context); }), "");
  DM_TRY(faults::reach("launch.overlay_made", {request.name}), "");
  DM_ASSIGN(clone.guest, start_over(support, request.name, clone, whom, context), "");
  DM_TRY(faults::reach("launch.vmm_started", {request.name, clone.guest->vmm().process().pid()}), "");
  undo.dismiss();
  return clone;
}

namespace {

// start_clone(), the device state, and then what `wake` does.
Result<Clone> restore_clone(VmSupport& support,
                            const CloneRequest& request,
                            For whom,
                            const os::Context& context,
                            const std::function<Status(Guest& guest)>& wake) {
  DM_ASSIGN(Clone clone, start_clone(support, request, whom, context), "");
  ScopeExit undo([&] { clone.discard(); });
  DM_ASSIGN(const UniqueFd state, clone.source->open_state(), "");
  DM_TRY(context.trace().step("load_state", [&] { return clone.guest->vmm().load_state(state, context); }), "");
  const faults::Subject subject{request.name, clone.guest->vmm().process().pid()};
  DM_TRY(faults::reach("launch.state_loaded", subject), "");
  DM_TRY(wake(*clone.guest), "");
  DM_TRY(faults::reach("launch.awake", subject), "");
  undo.dismiss();
  return clone;
}

}  // namespace

Result<Clone> make_clone(VmSupport& support,
                         const CloneRequest& request,
                         const Identity& identity,
                         const os::Context& context) {
  return restore_clone(
      support, request, For::kVm, context, [&](Guest& guest) { return guest.wake(true, identity, context); });
}

Result<Clone> make_settled_clone(VmSupport& support, const CloneRequest& request, const os::Context& context) {
  const Identity nobodys = identity_of(request.name);
  return restore_clone(
      support, request, For::kStock, context, [&](Guest& guest) { return guest.wake(false, nobodys, context); });
}

}  // namespace dormouse::host
