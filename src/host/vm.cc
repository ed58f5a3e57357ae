// SPDX-License-Identifier: Apache-2.0

#include "host/vm.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "host/application_end.h"
#include "host/kept_processes.h"
#include "host/warm_pool.h"
#include "os/file.h"
#include "os/host_facts.h"
#include "snapshot/checksum.h"
#include "snapshot/guest_memory.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kLaunchTimeout{60};
constexpr seconds kSuspendTimeout{60};
constexpr seconds kKeptAnswerTimeout{2};  // of a process, before its VM wakes by another

Status expect_running(const std::shared_ptr<Guest>& guest, const std::string& id) {
  if (!guest) {
    return fail(ErrorKind::kConflict, id + " does not run");
  }
  return {};
}

// The process of `record`, if it is still there: none of an earlier boot of the host is.
Result<os::Process> process_of(const snapshot::VmRecord& record) {
  DM_ASSIGN(const std::string boot_id, os::boot_id(), "");
  if (record.boot_id != boot_id) {
    return fail(ErrorKind::kNotFound, "the host was restarted");
  }
  return os::Process::open(record.pid, record.process_start_time);
}

void kill(const snapshot::VmRecord& record) {
  if (auto process = process_of(record)) {
    process->kill(SIGKILL);
    (void)process->wait(os::Context::with_timeout(kEndTimeout));
  }
}

}  // namespace

Vm::Vm(VmSupport& support, std::string id, fs::path directory)
    : support_(support), id_(std::move(id)), files_(std::move(directory)) {}

Vm::~Vm() { support_.watcher.remove(id_); }

std::shared_ptr<Guest> Vm::guest() const {
  const std::lock_guard lock(mutex_);
  return guest_;
}

std::optional<int> Vm::process() const {
  const auto running = guest();
  return running ? std::optional<int>(running->vmm().process().pid()) : std::nullopt;
}

void Vm::publish_guest(std::shared_ptr<Guest> guest) {
  const std::lock_guard lock(mutex_);
  guest_ = std::move(guest);
}

Status Vm::watch(Guest& guest, std::uint64_t output_from, const os::Context& context) {
  return support_.watcher.add(id_, guest, output_from, clone_.source->manifest.output_bytes, context);
}

// --- launch ---

// One that was made ahead, moved to the VM's directory, or one made now.
Result<Clone> Vm::obtain(const LaunchRequest& request, const os::Context& context) {
  tracing::Span taking = context.trace().span("take");
  std::optional<Clone> ready =
      support_.warm ? support_.warm->take(request.snapshot, request.egress, Stage::kSettled) : std::nullopt;
  taking.succeed();
  tracing::Span obtaining = context.trace().span(ready ? "obtain_warm" : "obtain_slow");
  const os::Context within = context.traced(obtaining.within());
  if (!ready) {
    context.trace().count_slow_path("no_clone_ahead");
    auto made =
        make_clone(support_, {id_, files_.directory(), request.snapshot, request.egress}, identity_of(id_), within);
    obtaining.end(tracing::outcome_of(made));
    return made;
  }
  const auto moved = [&]() -> Status {
    if (::rename(ready->directory.c_str(), files_.directory().c_str()) != 0) {
      return fail_errno("move " + ready->directory.string());
    }
    ready->directory = files_.directory();
    DM_TRY(faults::reach("launch.moved", {id_, ready->guest->vmm().process().pid()}), "");
    DM_TRY(ready->guest->commission(), "");
    return ready->guest->renew(true, identity_of(id_), within);
  }();
  obtaining.end(tracing::outcome_of(moved));
  if (!moved) {
    ready->discard();
    return fail(Error(moved.error()));
  }
  return *std::move(ready);
}

Status Vm::adopt(Clone clone) {
  clone_ = std::move(clone);
  const os::Process& process = clone_.guest->vmm().process();
  publish_guest(clone_.guest);
  DM_ASSIGN(const std::string boot_id, os::boot_id(), "");
  return files_.write_record(snapshot::VmRecord{clone_.snapshot,
                                                clone_.engine_digest,
                                                clone_.egress,
                                                clone_.user.id(),
                                                boot_id,
                                                process.pid(),
                                                process.start_time()});
}

Status Vm::launch_clone(const LaunchRequest& request, const os::Context& context) {
  DM_ASSIGN(Clone clone, obtain(request, context), "");
  DM_TRY(context.trace().step("record", [&] { return adopt(std::move(clone)); }), "");
  DM_TRY(reached("launch.recorded"), "");
  DM_TRY(context.trace().step("watch", [&] { return watch(*clone_.guest, 0, context); }), "");
  return reached("launch.watched");
}

Status Vm::launch(const LaunchRequest& request, const os::Context& outer) {
  const std::lock_guard operation(operation_);
  const os::Context context = outer.within(kLaunchTimeout);
  Status launched = reached("launch.begun");
  if (launched) {
    launched = request.checkpoint ? launch_child(request, context) : launch_clone(request, context);
  }
  if (!launched) {
    (void)end_guest();
    (void)os::remove_tree(files_.directory());
    return fail(std::move(launched).error().with_context("launch " + id_));
  }
  return {};
}

// --- suspend ---

Result<snapshot::SuspendedRecord> Vm::save(Guest& guest,
                                           const snapshot::VmFiles& to,
                                           std::uint64_t& bytes,
                                           const os::Context& context) {
  snapshot::SuspendedRecord record;
  record.snapshot = clone_.snapshot;
  record.egress = clone_.egress;
  record.engine = clone_.engine_digest;
  DM_ASSIGN(const UniqueFd state, os::open_file(to.state(), O_WRONLY | O_CREAT | O_TRUNC), "");
  DM_TRY(context.trace().step("save_state", [&] { return guest.vmm().save_state(state, context); }), "");
  DM_TRY(reached("save.state_written"), "");
  DM_ASSIGN(const UniqueFd pages, os::open_file(to.pages(), O_WRONLY | O_CREAT | O_TRUNC), "");
  DM_ASSIGN(const snapshot::GuestMemory memory,
            snapshot::find_guest_memory(guest.vmm().process().pid(),
                                        clone_.source->memory,
                                        std::uint64_t{clone_.source->manifest.model.memory_mib} << 20U),
            "");
  DM_ASSIGN(
      const snapshot::SavedPages saved,
      context.trace().step("save_pages", [&] { return snapshot::save_pages(memory, clone_.source->memory, pages); }),
      "");
  DM_TRY(reached("save.pages_written"), "");
  bytes += saved.file_bytes + os::size_of(state.get());
  return record;
}

Status Vm::sync_name() {
  if (!name_is_durable_) {
    DM_TRY(os::sync_directory(files_.directory().parent_path()), "");
    name_is_durable_ = true;
  }
  return {};
}

Status Vm::sync_state() {
  DM_TRY(files_.sync_state(), "");
  return sync_name();
}

Result<SuspendResult> Vm::suspend(const os::Context& outer) {
  const std::lock_guard operation(operation_);
  const os::Context context = outer.within(kSuspendTimeout);
  const std::shared_ptr<Guest> running = guest();
  DM_TRY(expect_running(running, id_), "suspend");
  DM_TRY(context.trace().step("freeze", [&] { return running->freeze({}, context); }), "suspend " + id_);
  const std::uint64_t output_offset = support_.watcher.remove(id_);
  SuspendResult result;
  auto suspended = [&]() -> Status {
    DM_TRY(reached("suspend.frozen"), "");
    DM_TRY(context.trace().step("stop", [&] { return running->vmm().stop(context); }), "");
    DM_TRY(reached("suspend.stopped"), "");
    DM_ASSIGN(snapshot::SuspendedRecord record, save(*running, files_, result.bytes_written, context), "");
    // QEMU flushed the overlay at `stop`; what it flushed is made durable by its own fdatasync.
    DM_TRY(context.trace().step("fsync", [&] { return sync_state(); }), "");
    DM_TRY(context.trace().step("checksum", [&] { return files_.sum(record); }), "");
    context.trace().count_bytes(tracing::Direction::kWritten, result.bytes_written);
    record.output_offset = output_offset;
    DM_TRY(reached("suspend.synced"), "");
    return context.trace().step("rename", [&] { return files_.publish_suspended(record); });
  }();
  if (!suspended) {
    (void)files_.remove_suspended_files();
    // The VM runs on, if it can; if not, the watcher finds its end.
    const os::Context undoing = os::Context::with_timeout(kEndTimeout);
    if (running->vmm().run(undoing)) {
      (void)running->thaw(undoing);
    }
    (void)watch(*running, output_offset, undoing);
    return fail(std::move(suspended).error().with_context("suspend " + id_));
  }
  (void)reached("suspend.published");
  publish_guest(nullptr);
  clone_.guest.reset();
  let_go(running, context);
  (void)reached("suspend.let_go");
  return result;
}

// Of a process whose VM is suspended: kept for a while, or ended.
void Vm::let_go(const std::shared_ptr<Guest>& guest, const os::Context& context) {
  if (support_.warm) {
    support_.warm->expect(clone_.snapshot, clone_.egress, Stage::kStarted);
  }
  guest->close_egress();
  if (support_.kept && support_.kept->keep(id_, guest)) {
    return;
  }
  const os::Context ending = os::Context::with_timeout(kEndTimeout);
  if (auto ended = context.trace().step("end_qemu", [&] { return guest->end(ending); }); !ended) {
    log::warning("a suspended VM's process did not end", {{"vm", id_}, {"error", ended.error().message()}});
  }
}

// --- resume ---

Status Vm::load(Guest& guest,
                const snapshot::VmFiles& from,
                const snapshot::SuspendedRecord& record,
                const os::Context& context) {
  DM_ASSIGN(const UniqueFd pages, os::open_file(from.pages(), O_RDONLY), "");
  DM_ASSIGN(const snapshot::GuestMemory memory,
            snapshot::find_guest_memory(guest.vmm().process().pid(),
                                        clone_.source->memory,
                                        std::uint64_t{clone_.source->manifest.model.memory_mib} << 20U),
            "");
  DM_TRY(context.trace().step("load_pages", [&] { return snapshot::load_pages(memory, pages); }), "");
  DM_TRY(reached("load.pages_loaded"), "");
  DM_ASSIGN(const UniqueFd overlay, os::open_file(files_.overlay(), O_RDONLY), "");
  DM_ASSIGN(const UniqueFd state, os::open_file(from.state(), O_RDONLY), "");
  tracing::Span verifying = context.trace().span("verify");
  DM_TRY(snapshot::verify(overlay, record.overlay_checksum, "the VM's disk"), "");
  DM_TRY(snapshot::verify(state, record.state_checksum, "the VM's device state"), "");
  verifying.succeed();
  if (::lseek(state.get(), 0, SEEK_SET) != 0) {
    return fail_errno("go to the beginning of the device state");
  }
  context.trace().count_bytes(tracing::Direction::kRead, os::size_of(pages.get()) + os::size_of(state.get()));
  DM_TRY(context.trace().step("load_state", [&] { return guest.vmm().load_state(state, context); }), "");
  return reached("load.state_loaded");
}

// A process that was started ahead becomes this VM's: its run directory moves here, and it gets this VM's overlay.
Result<Clone> Vm::started_ahead(const snapshot::SuspendedRecord& record, const os::Context& context) {
  auto ready = support_.warm ? support_.warm->take(record.snapshot, record.egress, Stage::kStarted) : std::nullopt;
  if (!ready) {
    return fail(ErrorKind::kNotFound, "no process was started ahead");
  }
  ScopeExit discard([&] { ready->discard(); });
  if (!record.engine.empty() && record.engine != ready->engine_digest) {
    return fail(ErrorKind::kConflict, "it is of the engine " + engine::short_digest(ready->engine_digest));
  }
  DM_ASSIGN(const UniqueFd overlay, os::open_file(files_.overlay(), O_RDWR), "");
  DM_TRY(ready->guest->vmm().replace_overlay("application", overlay, context), "");
  const faults::Subject subject{id_, ready->guest->vmm().process().pid()};
  DM_TRY(faults::reach("load.vmm_taken", subject), "");
  DM_TRY(os::remove_tree(files_.run_directory()), "");
  if (::rename(snapshot::VmFiles(ready->directory).run_directory().c_str(), files_.run_directory().c_str()) != 0) {
    return fail_errno("move " + ready->directory.string());
  }
  DM_TRY(faults::reach("load.vmm_moved", subject), "");
  DM_TRY(ready->guest->commission(), "");
  discard.dismiss();
  (void)os::remove_tree(ready->directory);
  ready->directory = files_.directory();
  return *std::move(ready);
}

Result<Clone> Vm::obtain_for(const snapshot::SuspendedRecord& record, const os::Context& context) {
  tracing::Span taking = context.trace().span("obtain_warm");
  auto ready = started_ahead(record, context.traced(taking.within()));
  taking.end(tracing::outcome_of(ready));
  if (ready) {
    return ready;
  }
  context.trace().count_slow_path("no_process_ahead");
  tracing::Span making = context.trace().span("obtain_slow");
  if (ready.error().kind() != ErrorKind::kNotFound) {
    log::warning("a process started ahead was of no use", {{"vm", id_}, {"error", ready.error().message()}});
  }
  Clone clone;
  clone.directory = files_.directory();
  clone.snapshot = record.snapshot;
  clone.egress = record.egress;
  DM_ASSIGN(clone.source, support_.templates.open(record.snapshot), "");
  DM_ASSIGN(clone.engine, engine_for(support_, clone.source->manifest, record.engine), "");
  clone.engine_digest = clone.engine->digest;
  DM_ASSIGN(clone.user, support_.users.take(), "");
  DM_TRY(os::make_directories(files_.run_directory()), "");
  DM_ASSIGN(clone.guest, start_over(support_, id_, clone, For::kVm, context.traced(making.within())), "");
  DM_TRY(faults::reach("load.vmm_started", {id_, clone.guest->vmm().process().pid()}), "");
  making.succeed();
  return clone;
}

// The process that this VM had when it was suspended, which has stood still since: it knows all that the files tell. Failing
// leaves the VM without a process.
Status Vm::continue_kept(const std::shared_ptr<Guest>& kept, const os::Context& context) {
  clone_.guest = kept;
  publish_guest(kept);
  const auto found = [&]() -> Status {
    DM_TRY(reached("resume.kept_taken"), "");
    // Also asked because the answer shows that the process lives: what is lost after the point of no return is lost.
    DM_ASSIGN(const bool running, kept->vmm().is_running(context.within(kKeptAnswerTimeout)), "");
    if (running) {
      return fail(ErrorKind::kInternal, "the process that was kept ran meanwhile");
    }
    return kept->open_egress(to_network(clone_.egress));
  }();
  if (!found) {
    log::warning("a process that was kept was of no use", {{"vm", id_}, {"error", found.error().message()}});
    (void)end_guest();
  }
  return found;
}

// Another process, which learns from the files what this VM is.
Status Vm::restore(const snapshot::SuspendedRecord& record, const os::Context& context) {
  DM_ASSIGN(Clone clone, obtain_for(record, context), "");
  DM_TRY(context.trace().step("record", [&] { return adopt(std::move(clone)); }), "");
  DM_TRY(reached("resume.recorded"), "");
  return load(*clone_.guest, files_, record, context);
}

Status Vm::begin_to_run(const os::Context& context) {
  DM_TRY(reached("resume.consumed"), "");
  return context.trace().step("run", [&] { return clone_.guest->vmm().run(context); });
}

Status Vm::resume(const os::Context& outer) {
  const std::lock_guard operation(operation_);
  const os::Context context = outer.within(kLaunchTimeout);
  DM_TRY(files_.finish_rollback(), "resume " + id_);
  DM_ASSIGN(const snapshot::SuspendedRecord record, files_.read_suspended(), "resume " + id_);
  auto loaded = [&]() -> Status {
    DM_TRY(reached("resume.begun"), "");
    const std::shared_ptr<Guest> kept = support_.kept ? support_.kept->take(id_) : nullptr;
    if (!kept || !context.trace().step("obtain_kept", [&] { return continue_kept(kept, context); })) {
      DM_TRY(restore(record, context), "");
    }
    // From here on the overlay is written: the saved state must never be used again.
    return context.trace().step("rename", [&] { return files_.consume_suspended(); });
  }();
  if (!loaded) {
    (void)end_guest();
    return fail(std::move(loaded).error().with_context("resume " + id_));
  }
  if (const Status begun = begin_to_run(context); !begun) {
    (void)end_guest();
    // Nothing ran on the overlay if it is what it was: then the saved state is still its own.
    if (files_.verify(record) && files_.restore_suspended()) {
      return fail(ErrorKind::kUnavailable, "resume " + id_ + ": " + begun.error().message());
    }
    return fail(ErrorKind::kDataLoss, "resume " + id_ + ": " + begun.error().message());
  }
  auto awake = [&]() -> Status {
    DM_TRY(clone_.guest->renew(true, {}, context), "");
    DM_TRY(reached("resume.awake"), "");
    return context.trace().step("watch", [&] { return watch(*clone_.guest, record.output_offset, context); });
  }();
  if (!awake) {
    (void)end_guest();
    return fail(ErrorKind::kDataLoss, "resume " + id_ + ": " + awake.error().message());
  }
  (void)reached("resume.watched");
  // Nobody who waits for the VM waits for the file system.
  (void)support_.disposal.post(
      [pages = std::make_shared<UniqueFd>(files_.remove_suspended_files())] { os::give_back_space(*pages); });
  return {};
}

// --- end ---

Status Vm::end_guest() {
  support_.watcher.remove(id_);
  const std::shared_ptr<Guest> running = guest();
  if (!running) {
    if (support_.kept) {
      support_.kept->drop(id_);
    }
    return {};
  }
  publish_guest(nullptr);
  clone_.guest.reset();
  return running->end(os::Context::with_timeout(kEndTimeout));
}

Status Vm::terminate() {
  // Without its process the operation under way fails soon.
  if (const auto running = guest()) {
    running->vmm().process().kill(SIGKILL);
  }
  const std::lock_guard operation(operation_);
  DM_TRY(reached("terminate.begun"), "");
  DM_TRY(end_guest(), "terminate " + id_);
  clone_ = Clone();
  DM_TRY(reached("terminate.vmm_ended"), "");
  DM_TRY(os::remove_tree(files_.directory()), "");
  return reached("terminate.files_removed");
}

// --- after a restart ---

Status Vm::attach(const snapshot::VmRecord& record, const os::Context& context) {
  DM_ASSIGN(os::Process process, process_of(record), "");
  clone_.directory = files_.directory();
  clone_.snapshot = record.snapshot;
  clone_.egress = record.egress;
  clone_.engine_digest = record.engine;
  DM_ASSIGN(clone_.source, support_.templates.open(record.snapshot), "");
  DM_ASSIGN(clone_.guest,
            Guest::attach(support_.guest,
                          {id_,
                           files_.run_directory(),
                           std::move(process),
                           to_network(record.egress),
                           clone_.source->manifest.agent_protocol},
                          context),
            "");
  DM_ASSIGN(clone_.user, support_.users.take(record.user), "");
  const std::shared_ptr<Guest>& guest = clone_.guest;
  // The daemon may have died in the middle of something. vCPUs that stand still: a suspension or a wake was under way, and
  // the guest is woken as after a restore. An application that is frozen: a suspension had begun.
  DM_ASSIGN(const bool running, guest->vmm().is_running(context), "");
  if (!running) {
    DM_TRY(guest->wake(true, {}, context), "");  // and nothing is asked before: the agent stands still with its vCPUs
  } else {
    DM_ASSIGN(const protocol::HelloAnswer state, guest->agent().hello(context), "");
    if (state.application == protocol::ApplicationState::kExited) {
      DM_ASSIGN(const ApplicationEnd end, application_end(guest->agent(), context), "");
      return fail(ErrorKind::kConflict, end.exit.sentence);
    }
    DM_TRY(guest->thaw(context), "");
  }
  DM_TRY(watch(*guest, 0, context), "");
  publish_guest(guest);
  return {};
}

RecoveredVm Vm::recover(const os::Context& context) {
  const std::lock_guard operation(operation_);
  RecoveredVm found{id_, RecoveredVm::State::kGone, {}};
  auto record = files_.read_record();
  files_.abandon_rollback();
  if (files_.is_suspended() || files_.rollback_is_pending()) {
    // Durable, so it counts, whatever else is there: a process that had not been ended yet, or one that was loading it.
    if (record) {
      kill(*record);
    }
    if (const Status finished = files_.finish_rollback(); !finished) {
      log::warning("a rollback waits for the VM's wake", {{"vm", id_}, {"error", finished.error().message()}});
    }
    found.state = RecoveredVm::State::kSuspended;
    return found;
  }
  Status attached = record ? attach(*record, context) : Status(fail(Error(record.error())));
  if (attached) {
    found.state = RecoveredVm::State::kRunning;
    (void)files_.remove_suspended_files();
    return found;
  }
  log::warning("a VM could not be taken up again", {{"vm", id_}, {"error", attached.error().message()}});
  found.reason = attached.error().message();
  support_.watcher.remove(id_);
  clone_ = Clone();
  if (record) {
    kill(*record);
  }
  (void)os::remove_tree(files_.directory());
  return found;
}

}  // namespace dormouse::host
