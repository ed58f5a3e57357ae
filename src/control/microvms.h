// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/images.h"
#include "control/records.h"
#include "control/service_error.h"

namespace dormouse::control {

class SavedState;

// The right to have one request or stream under way at a VM's endpoint. While one is held the VM is RUNNING; a suspension
// first waits for leases to be given back, for the drain time at most, and then calls `revoked` of those that are left:
// their holder closes the stream. Giving back: destroy it. Thread-safe; may outlive the VM.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual void activity() = 0;  // bytes went through: the idle clock starts anew. Cheap; call it per read

  // What the first request after a launch or a wake has to do with it: its steps belong to that operation.
  struct Origin {
    tracing::Trace trace;
    bool waited = false;  // the request came before the VM was RUNNING
  };
  virtual Origin origin() const { return {}; }
};

// Why the endpoint has no VM to offer. All of these are a 502 with no body on the wire; the kind is for the log.
enum class EndpointRefusal { kUnknown, kSuspended, kTerminated, kResumeFailed, kNoIngress, kTimeout };

using LeaseHandler = std::function<void(tl::expected<std::shared_ptr<Lease>, EndpointRefusal>)>;

// MicroVMs: their records, their lifecycle (specification section 4.3), their policies.
//
// One task owns one VM: a queue of events, worked off by one worker at a time, and one line assigns its state. Everybody
// else posts events and reads a published copy. Thread-safe; calls block on the metadata store at most.
class Microvms {
 public:
  Microvms(World& world, Images& images);
  ~Microvms();
  Microvms(const Microvms&) = delete;
  Microvms& operator=(const Microvms&) = delete;

  Answer<Microvm> run(const std::string& account, const RunRequest& request, const std::string& request_digest);
  Answer<Microvm> get(const std::string& account, const std::string& microvm_id) const;
  struct Filter {
    std::optional<std::string> image_identifier;
    std::optional<std::string> image_version;
  };
  Answer<Page<Microvm>> list(const std::string& account,
                             const Filter& filter,
                             std::size_t limit,
                             const std::optional<std::string>& after) const;
  // These return at once; the state follows.
  Answer<void> suspend(const std::string& account, const std::string& microvm_id, const tracing::Cause& cause = {});
  Answer<void> resume(const std::string& account, const std::string& microvm_id, const tracing::Cause& cause = {});
  Answer<void> terminate(const std::string& account, const std::string& microvm_id, const tracing::Cause& cause = {});

  // The sizes of the account's VMs that are not TERMINATED, together.
  std::uint64_t memory_mib(const std::string& account) const;

  // --- copies of VMs (docs/decisions/0005-forks.md) ---

  // As many VMs as asked for that go on from what this one is, in PENDING; it stands still for a moment, later. Refused of
  // one that is PENDING or ended.
  Answer<std::vector<Microvm>> fork_microvm(const std::string& account,
                                            const std::string& microvm_id,
                                            const ForkRequest& request);
  // The same from a checkpoint of `source`, whose record may be that of a VM that is gone.
  Answer<std::vector<Microvm>> launch_from(const Microvm& source,
                                           const std::shared_ptr<const SavedState>& checkpoint,
                                           const ForkRequest& request);
  // For Checkpoints: see MicrovmTask. `request.microvm_id` names the VM, which is the account's.
  Answer<void> save(host::CheckpointRequest request, std::function<void(const Result<host::CheckpointResult>&)> done);
  Answer<void> rollback(const std::string& microvm_id,
                        std::shared_ptr<const SavedState> checkpoint,
                        std::function<void(const Status&)> done);

  // The last lines of the application's output, 64 KiB at most. For `dormouse vm describe`.
  Answer<std::string> output(const std::string& account, const std::string& microvm_id) const;

  // --- for the endpoint ---

  // The VM that `endpoint_id` (first label of the host name) belongs to. One that is not TERMINATED is found in memory; for
  // others the metadata store is asked, which blocks.
  std::optional<Microvm> find_endpoint(std::string_view endpoint_id) const;

  // Calls `handler` once, from any thread: with a lease when the VM is RUNNING (after resuming it, if its policy allows),
  // or with a refusal. `revoked` is called at most once, from any thread, when the holder must let go.
  // A wake that this begins has `cause`.
  void acquire(const std::string& microvm_id,
               std::function<void()> revoked,
               LeaseHandler handler,
               const tracing::Cause& cause = {});

  // A stream socket to the guest's 127.0.0.1:`port`. Blocks up to `context`.
  Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context);

  // `observer` is called after each change of a VM's record, in order for each VM, from any thread; it must not block. To be
  // set before start().
  void on_change(std::function<void(const Microvm&)> observer);

  // Reconciles records with what the host found (host::Host::recover) and starts the clocks of the policies.
  void start(const std::vector<host::RecoveredVm>& found);
  void stop();  // finishes what is under way; VMs run on

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace dormouse::control
