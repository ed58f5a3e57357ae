// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of a VM, VMs that are launched from one, and a VM's way back to one.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/scope_exit.h"
#include "host/vm.h"
#include "host/warm_pool.h"
#include "os/file.h"
#include "os/sparse_copy.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kCheckpointTimeout{60};

Result<std::uint64_t> allocated_bytes(const fs::path& path) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_RDONLY), "");
  return os::allocated_bytes_of(file.get());
}

}  // namespace

// --- making one ---

Result<snapshot::SuspendedRecord> Vm::capture(Guest& guest,
                                              const snapshot::VmFiles& to,
                                              CheckpointResult& result,
                                              const os::Context& context) {
  protocol::Freeze freeze;
  freeze.keep_connections = true;
  DM_TRY(context.trace().step("freeze", [&] { return guest.freeze(freeze, context); }), "");
  (void)reached("checkpoint.frozen");
  const std::uint64_t output_offset = support_.watcher.output_offset(id_);
  const auto stopping = std::chrono::steady_clock::now();
  auto saved = [&]() -> Result<snapshot::SuspendedRecord> {
    DM_TRY(context.trace().step("stop", [&] { return guest.vmm().stop(context); }), "");
    DM_TRY(reached("checkpoint.stopped"), "");
    DM_ASSIGN(snapshot::SuspendedRecord record, save(guest, to, result.bytes_written, context), "");
    // QEMU flushed it at `stop`.
    DM_TRY(
        context.trace().step("copy_disk", [&] { return os::copy_sparsely(files_.overlay(), to.overlay(), context); }),
        "");
    DM_TRY(reached("checkpoint.disk_copied"), "");
    record.output_offset = output_offset;
    return record;
  }();
  // Whatever came of it, the VM runs on; if it cannot, the watcher finds its end.
  const os::Context going_on = os::Context::with_timeout(kEndTimeout);
  DM_TRY(guest.vmm().run(going_on), "run on");
  result.stood_still =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - stopping);
  DM_TRY(guest.thaw(going_on), "run on");
  (void)reached("checkpoint.going_on");
  if (saved) {
    DM_TRY(to.sum(*saved), "");
  }
  return saved;
}

Result<snapshot::SuspendedRecord> Vm::copy(const snapshot::VmFiles& to,
                                           CheckpointResult& result,
                                           const os::Context& context) {
  DM_TRY(files_.finish_rollback(), "");
  DM_ASSIGN(snapshot::SuspendedRecord record, files_.read_suspended(), "");
  DM_TRY(os::copy_sparsely(files_.overlay(), to.overlay(), context), "");
  DM_TRY(os::copy_sparsely(files_.state(), to.state(), context), "");
  DM_TRY(os::copy_sparsely(files_.pages(), to.pages(), context), "");
  for (const fs::path& path : {to.state(), to.pages()}) {
    DM_ASSIGN(const std::uint64_t bytes, allocated_bytes(path), "");
    result.bytes_written += bytes;
  }
  return record;
}

Result<CheckpointResult> Vm::checkpoint(const CheckpointRequest& request, const os::Context& outer) {
  const std::lock_guard operation(operation_);
  const os::Context context = outer.within(kCheckpointTimeout);
  const snapshot::VmFiles to(request.destination.string() + ".tmp");
  ScopeExit undo([&] { (void)os::remove_tree(to.directory()); });
  CheckpointResult result;
  auto made = [&]() -> Status {
    DM_TRY(os::make_directories(to.directory()), "");
    DM_TRY(reached("checkpoint.begun"), "");
    const std::shared_ptr<Guest> running = guest();
    DM_ASSIGN(snapshot::SuspendedRecord record,
              running ? capture(*running, to, result, context) : copy(to, result, context),
              "");
    DM_ASSIGN(const std::uint64_t overlay_bytes, allocated_bytes(to.overlay()), "");
    result.bytes_written += overlay_bytes;
    if (!request.durable) {
      DM_TRY(to.write_suspended(record, os::Durability::kVolatile), "");
      if (::rename(to.directory().c_str(), request.destination.c_str()) != 0) {
        return fail_errno("rename to " + request.destination.string());
      }
      return {};
    }
    DM_TRY(os::sync_file(to.overlay()), "");
    DM_TRY(to.sync_state(), "");
    DM_TRY(os::publish_file(to.directory() / kCheckpointRecord, request.record, 0600, os::Durability::kDurable), "");
    DM_TRY(to.publish_suspended(record), "");
    DM_TRY(reached("checkpoint.synced"), "");
    return os::rename_durably(to.directory(), request.destination);
  }();
  DM_TRY(made, "checkpoint " + id_);
  undo.dismiss();
  (void)reached("checkpoint.published");
  return result;
}

// --- launching from one ---

Status Vm::launch_child(const LaunchRequest& request, const os::Context& context) {
  const snapshot::VmFiles checkpoint(*request.checkpoint);
  DM_ASSIGN(snapshot::SuspendedRecord record, checkpoint.read_suspended(), "");
  record.egress = request.egress;
  DM_TRY(os::make_directories(files_.directory()), "");
  DM_TRY(os::copy_sparsely(checkpoint.overlay(), files_.overlay(), context), "");
  DM_TRY(reached("fork.overlay_copied"), "");
  DM_ASSIGN(Clone clone, obtain_for(record, context), "");
  DM_TRY(context.trace().step("record", [&] { return adopt(std::move(clone)); }), "");
  DM_TRY(reached("fork.recorded"), "");
  DM_TRY(load(*clone_.guest, checkpoint, record, context), "");
  DM_TRY(clone_.guest->wake(true, identity_of(id_), context), "");
  DM_TRY(reached("fork.awake"), "");
  const std::uint64_t own_from = record.output_offset;
  return context.trace().step("watch",
                              [&] { return support_.watcher.add(id_, *clone_.guest, own_from, own_from, context); });
}

// --- the way back ---

Status Vm::rollback(const fs::path& path, const os::Context& outer) {
  const std::lock_guard operation(operation_);
  const os::Context context = outer.within(kCheckpointTimeout);
  const snapshot::VmFiles checkpoint(path);
  auto committed = [&]() -> Status {
    DM_ASSIGN(const snapshot::SuspendedRecord record, checkpoint.read_suspended(), "");
    DM_TRY(checkpoint.verify(record), "");
    DM_TRY(files_.prepare_rollback(checkpoint, context), "");
    DM_TRY(sync_name(), "");
    DM_TRY(reached("rollback.prepared"), "");
    return files_.publish_rollback(record);
  }();
  if (!committed) {
    files_.abandon_rollback();
    return fail(std::move(committed).error().with_context("roll " + id_ + " back"));
  }
  // From here on the VM is suspended, whatever goes wrong: what is left undone is done before it wakes.
  (void)reached("rollback.published");
  Status finished = end_guest();
  if (finished) {
    finished = reached("rollback.vmm_ended");
  }
  if (finished) {
    finished = files_.finish_rollback();
  }
  if (!finished) {
    log::warning("a rollback waits for the VM's wake", {{"vm", id_}, {"error", finished.error().message()}});
  }
  if (support_.warm && clone_.source) {
    support_.warm->expect(clone_.snapshot, clone_.egress, Stage::kStarted);
  }
  (void)reached("rollback.done");
  return {};
}

}  // namespace dormouse::host
