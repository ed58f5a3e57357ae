// SPDX-License-Identifier: Apache-2.0
//
// What the control layer asks of a machine that runs VMs. It is written as if that machine were another one: records in,
// records out, nothing shared but this interface. Everything that needs root lives behind it.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "os/context.h"
#include "snapshot/egress.h"
#include "snapshot/foundations.h"

namespace dormouse::host {

// What a guest sees: the size at its peak (specification section 6.2).
struct MachineSize {
  std::uint32_t memory_mib = 0;
  std::uint32_t vcpus = 0;
  std::uint64_t disk_bytes = 0;
};

enum class Isolation { kKvm, kTcg };
std::string_view to_string(Isolation isolation);  // "kvm", "tcg"

using snapshot::Egress;

struct Hook {
  bool enabled = false;
  std::chrono::seconds timeout{1};
};

// How the build talks to the application (specification section 5.3).
struct BuildHooks {
  std::uint16_t port = 0;
  Hook ready;
  Hook validate;
  bool run = false;  // its VMs call the run hook: the application knows that its life begins with that
};

struct BuildRequest {
  std::string build_id;               // a UUID; names the working directory
  std::filesystem::path archive;      // the zip, on this machine
  std::filesystem::path destination;  // directory that must not exist; appears whole or not at all
  MachineSize size;
  std::map<std::string, std::string> environment;  // added to the container's, over the Dockerfile's
  bool all_capabilities = false;
  BuildHooks hooks;
  Egress egress = Egress::kInternet;
  std::chrono::seconds timeout{3600};  // for the whole build
};

struct BuildResult {
  std::uint64_t memory_snapshot_bytes = 0;
  std::uint64_t code_install_bytes = 0;
  std::uint64_t disk_snapshot_bytes = 0;
  Isolation isolation = Isolation::kTcg;
  std::vector<std::string> notices;  // sentences a user should know, e.g. that a base image stood in for another
};

// Why a build ended without a snapshot. `code` is one of specification section 5.5.
struct BuildFailure {
  std::string code;
  std::string sentence;  // for the tenant: complete, with the last lines of output where they help
  std::optional<std::uint64_t> code_install_bytes;
};

// Called from the thread that runs build(). Text is what the build printed, in pieces of any size.
class BuildObserver {
 public:
  virtual ~BuildObserver() = default;
  virtual void log(std::string_view text) = 0;
  virtual void phase(std::string_view name) = 0;  // "archive", "container", "application", "snapshot", "validate"
};

struct LaunchRequest {
  std::string microvm_id;          // "microvm-<uuid>"; names directories
  std::filesystem::path snapshot;  // what BuildRequest::destination became
  Egress egress = Egress::kInternet;
  std::optional<std::filesystem::path> checkpoint;  // of a VM of the same snapshot, which the new one goes on from
};

struct LaunchResult {
  Isolation isolation = Isolation::kTcg;
  std::string isolation_reason;
};

struct SuspendResult {
  std::uint64_t bytes_written = 0;
};

// What a VM is at one moment (docs/formats/checkpoint.md).
struct CheckpointRequest {
  std::string microvm_id;
  std::filesystem::path destination;  // directory that must not exist; appears whole or not at all
  bool durable = true;                // false: for VMs that are launched from it at once; then it is good for nothing
  std::string record;                 // kept in the file kCheckpointRecord, not read by the host
};
inline constexpr char kCheckpointRecord[] = "record.json";

struct CheckpointResult {
  std::uint64_t bytes_written = 0;
  std::chrono::microseconds stood_still{0};  // the guest's vCPUs; 0 if it was suspended
};

// Why a VM that nobody ended is gone.
struct VmExit {
  enum class Cause {
    kApplicationExited,  // the container's main process ended
    kVmmDied,            // QEMU ended or was killed
    kGuestFailed,        // kernel panic, or the agent does not answer
    kDiskFull,           // the host's disk is full: an I/O error was reported by QEMU
  };
  Cause cause = Cause::kVmmDied;
  std::optional<int> exit_code;  // of the application
  std::optional<int> signal;     // that ended the application, or QEMU
  bool out_of_memory = false;    // the guest's kernel killed for want of memory
  std::string last_output;       // last lines of the application's output, 4 KiB at most
  std::string sentence;          // for stateReason
};

// What a VM's application wrote. A piece may repeat what was told before, in this daemon's life or an earlier one's: the
// offset tells.
struct OutputPiece {
  std::uint64_t offset = 0;  // of bytes[0] in all that the application ever wrote, before its snapshot too
  std::uint64_t lost = 0;    // bytes right before it that the guest overwrote before they could be fetched
  std::string_view bytes;
  bool of_image = false;  // written before the VM was launched: it is in every clone of the snapshot
};

// Called from a thread of the host's, never concurrently for one VM. Must not block.
using ExitHandler = std::function<void(const std::string& microvm_id, const VmExit& exit)>;
using OutputHandler = std::function<void(const std::string& microvm_id, const OutputPiece& output)>;
// From which byte on a VM's output is still wanted, as far as that is known.
using OutputWanted = std::function<std::optional<std::uint64_t>(const std::string& microvm_id)>;

// The guests of a build are reported to an OutputHandler too, under these names: the one that the snapshot is taken of, and
// the clone that is validated.
inline std::string snapshot_guest(const std::string& build_id) { return "build-" + build_id + "-snapshot"; }
inline std::string validation_guest(const std::string& build_id) { return "build-" + build_id + "-validate"; }

// What was found of a VM when the daemon started.
struct RecoveredVm {
  enum class State { kRunning, kSuspended, kGone };
  std::string microvm_id;
  State state = State::kGone;
  std::string reason;  // why it is gone
};

// What the VMs' processes have for themselves, shared with nobody.
struct MemoryUse {
  std::uint64_t private_bytes = 0;
  std::size_t vms = 0;
  std::uint64_t kept_bytes = 0;  // of processes of suspended VMs that are kept for a quick wake: not counted above
};

struct HookCall {
  std::string path;  // "/aws/lambda-microvms/runtime/v1/run"
  std::uint16_t port = 0;
  std::string body;  // sent as application/json when not empty
};
struct HookAnswer {
  int status = 0;
};

using snapshot::Foundations;

// Thread-safe, but calls about one VM must not overlap, except terminate(), dial() and call_hook(). All calls block until
// done or until `context` ends them; what they had begun is then undone.
class Host {
 public:
  virtual ~Host() = default;

  // Runs the Dockerfile, starts the application, captures memory and disk (specification section 5.2).
  virtual tl::expected<BuildResult, BuildFailure> build(const BuildRequest& request,
                                                        BuildObserver& observer,
                                                        const os::Context& context) = 0;

  // A clone of a snapshot, or of a checkpoint, reseeded, with the right time and an identity of its own, its application
  // running. kResourceExhausted when the host has not the memory; kConflict when it is not one that the snapshot fits, or has not
  // its engine any more; kDataLoss when snapshot or checkpoint do not verify.
  virtual Result<LaunchResult> launch(const LaunchRequest& request, const os::Context& context) = 0;

  // Freezes the application, makes the state durable, ends the VMM, or keeps it stopped for a while where there is memory to
  // spare: a cache, which the next resume() may find. On failure the VM runs on.
  virtual Result<SuspendResult> suspend(const std::string& microvm_id, const os::Context& context) = 0;

  // The reverse. On failure the VM is suspended as before, unless the error is kDataLoss: then it is gone. kConflict as for
  // launch().
  virtual Status resume(const std::string& microvm_id, const os::Context& context) = 0;

  // Saves what the VM is, running or suspended, beside it. A running one stands still meanwhile, keeps its connections, and
  // runs on, also on failure.
  virtual Result<CheckpointResult> checkpoint(const CheckpointRequest& request, const os::Context& context) = 0;

  // The VM becomes what it was when the checkpoint of it was made, and is suspended. On failure it is as before;
  // kDataLoss when the checkpoint does not verify.
  virtual Status rollback(const std::string& microvm_id,
                          const std::filesystem::path& checkpoint,
                          const os::Context& context) = 0;

  // Removes a checkpoint, or what a daemon's end left of one.
  virtual Status remove_checkpoint(const std::filesystem::path& checkpoint) = 0;

  // Ends the VM, whatever it does, and removes all it left. Ending a VM that is not there succeeds.
  virtual Status terminate(const std::string& microvm_id) = 0;

  // A non-blocking stream socket to 127.0.0.1:`port` of the guest. kUnavailable when nobody listens there.
  virtual Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) = 0;

  // One POST to the application. kUnavailable when nobody listens, kDeadlineExceeded when there is no answer in time.
  virtual Result<HookAnswer> call_hook(const std::string& microvm_id,
                                       const HookCall& call,
                                       const os::Context& context) = 0;

  // Finds the VMs of an earlier daemon in the data directory, re-attaches to what runs, removes what is broken. To be
  // called once, before anything else.
  virtual Result<std::vector<RecoveredVm>> recover(const os::Context& context) = 0;

  // Removes a snapshot that build() made.
  virtual Status remove_snapshot(const std::filesystem::path& snapshot) = 0;

  // What the snapshot, VM or checkpoint in this directory stands on, as far as its records can be read: for reports.
  virtual Foundations foundations(const std::filesystem::path& directory) const = 0;

  // The VMM's process, nothing if it has none: for descriptions and tests.
  virtual std::optional<int> vmm_process(const std::string& microvm_id) const = 0;

  // Of the VMs that run; what is made ahead of them is not counted. Cheap: a file of the kernel's for each.
  virtual MemoryUse memory_use() const { return {}; }

  // Gives back so much of MemoryUse::kept_bytes, or all there is, and keeps nothing for a while. What was given back.
  virtual std::uint64_t release_kept(std::uint64_t /*bytes*/) { return 0; }

  // Why no VM can be launched now; nothing if one can.
  virtual std::optional<std::string> not_ready() const = 0;

  // Why no VM of this size can ever be launched here, however idle the machine is, in a sentence for the tenant; nothing if one
  // can.
  virtual std::optional<std::string> cannot_hold(const MachineSize& /*size*/) const { return std::nullopt; }

  virtual Isolation isolation() const = 0;
  virtual std::string isolation_reason() const = 0;  // how it was decided

  // Of the clones made ahead, since the start.
  struct PoolFigures {
    std::size_t stock = 0;
    std::size_t started = 0;    // of these, processes that were merely started, for VMs that wake
    std::size_t rehearsed = 0;  // of the others (host/rehearsal.h)
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  virtual PoolFigures pool_figures() const { return {}; }

  // Of the processes of suspended VMs that are kept for a quick wake.
  struct KeptFigures {
    std::size_t processes = 0;
    std::uint64_t hits = 0;  // wakes that found theirs, since the start
  };
  virtual KeptFigures kept_figures() const { return {}; }

  virtual void on_exit(ExitHandler handler) = 0;  // both before recover()
  virtual void on_output(OutputHandler handler, OutputWanted wanted) = 0;
};

}  // namespace dormouse::host
