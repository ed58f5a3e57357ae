// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "control/endpoint_gate.h"
#include "control/lifecycle.h"
#include "control/memory_budget.h"
#include "control/microvm_effects.h"
#include "control/microvms.h"
#include "control/policies.h"
#include "control/serial_queue.h"
#include "control/timers.h"
#include "control/world.h"
#include "os/worker_pool.h"

namespace dormouse::control {

// What the tasks of all VMs share. Outlives them, up to the stop of both pools.
struct MicrovmServices {
  World& world;
  Timers& timers;
  os::WorkerPool& events;      // short work: decisions and their records
  os::WorkerPool& arrivals;    // blocking work at the host: launches and resumptions, which may wait for memory
  os::WorkerPool& departures;  // likewise: suspensions and terminations, which give it back
  MemoryBudget& memory;
  // After each change of the published record; must not block.
  std::function<void(const Microvm&)> changed;
  // Once, after the record is TERMINATED.
  std::function<void(const Microvm&)> ended;
};

// The one task that owns one VM, from PENDING (or from what an earlier daemon left) to TERMINATED.
//
// Everything that happens is an event in its queue; an event decides and records, it never waits for the host. What is done
// at the host is an effect: at most one at a time, on another pool, and its outcome is an event again. A termination
// interrupts the effect under way and begins when that has ended.
//
// Invariants: the record's state is assigned in one line (apply()), after lifecycle.h allowed it, and is durable before it
// is published; the gate is open exactly while the published state is RUNNING, give or take the event that changes it.
//
// Thread-safe. Calls that answer wait until their event was handled: for the metadata store at most.
class MicrovmTask : public std::enable_shared_from_this<MicrovmTask> {
 public:
  // `record` is in the store before launch() or adopt() is called.
  static std::shared_ptr<MicrovmTask> create(MicrovmServices& services, Microvm record);

  tracing::Trace begin_launch(const tracing::Cause& cause);               // before launch()
  void launch(LaunchJob job);                                             // of a PENDING record
  void adopt(host::RecoveredVm::State found, const std::string& reason);  // of any record, after a restart

  Answer<void> suspend(const tracing::Cause& cause);
  Answer<void> resume(const tracing::Cause& cause);
  Answer<void> terminate(const tracing::Cause& cause);

  // For how long nobody has used the VM, if it may be put to sleep for the memory it has: it runs, nothing is under way, and
  // the next request wakes it.
  std::optional<SteadyTime::duration> unused_for() const;
  bool may_free_memory() const {
    const std::lock_guard lock(published_mutex_);
    return control::may_free_memory(published_);
  }
  void yield();  // goes to sleep, unless it is used again by then
  // Saves the VM's state at the host, once it is RUNNING or SUSPENDED and nothing else is under way. `done` is called once,
  // from any thread, unless the daemon stops. Refused, without a call, of a VM that has none to save.
  using SaveHandler = std::function<void(const Result<host::CheckpointResult>&)>;
  Answer<void> save(host::CheckpointRequest request, SaveHandler done);
  // The VM becomes what it was; one that is RUNNING is suspended for it and woken again. One at a time.
  Answer<void> rollback(std::shared_ptr<const SavedState> checkpoint, std::function<void(const Status&)> done);
  // Whether the two above would be refused now.
  Answer<void> check_copyable() const;
  // Ends one that was never launched.
  void abandon(const Ending& ending);

  void acquire(std::function<void()> revoked, LeaseHandler handler, const tracing::Cause& cause);
  void exited(const host::VmExit& exit);
  void output(const host::OutputPiece& piece);

  Microvm published() const {
    const std::lock_guard lock(published_mutex_);
    return published_;
  }
  std::string last_output() const;

 private:
  enum class Effect { kNone, kLaunch, kSuspend, kResume, kSave, kRollback, kTerminate };
  // A suspension first waits for leases to be given back, then revokes them, then waits a little for the holders.
  enum class Drain { kNone, kWaiting, kRevoked };

  struct Save {
    host::CheckpointRequest request;
    SaveHandler done;
  };
  struct Rollback {
    std::shared_ptr<const SavedState> checkpoint;
    std::function<void(const Status&)> done;
  };

  MicrovmTask(MicrovmServices& services, Microvm record);

  bool post(std::function<void()> event);
  Answer<void> post_and_wait(std::function<Answer<void>()> event);
  // Runs `work` at the host, then `done` with its outcome as an event.
  template <typename Outcome>
  void start(Effect effect, std::function<Outcome(const os::Context&)> work, std::function<void(Outcome)> done);

  tracing::Trace begin(const char* operation, const tracing::Cause& cause) const;

  // All below: by events only.
  void apply(MicrovmEvent event);
  void record_changed();  // persists, then publishes
  void settle();          // after each event: does what is due or wanted, sets the timer
  void act_on_clock();
  // Only a VM that was awake is watched: what it was before is consumed.
  static bool ended_while_waking(Effect effect, const host::VmExit& exit) {
    return effect == Effect::kResume && exit.cause == host::VmExit::Cause::kVmmDied;
  }
  void exited_now(const host::VmExit& exit);
  void proceed();
  void set_timer();
  void adopt_now(host::RecoveredVm::State found, const std::string& reason);
  void adopt_running();
  void adopt_suspended();
  void start_launch(LaunchJob job);
  void begin_suspend();
  void drain();
  void start_suspend();
  void start_resume(bool at_host);
  void start_save();
  void start_rollback();
  void rolled_back(const Status& outcome, bool was_up);
  void drop_copies();
  void ended_unexpectedly(const host::VmExit& exit);
  void request_end(Ending ending, bool tell_application);
  void start_terminate();
  void finished(Effect effect, bool alive);
  Answer<void> refuse_if_ended() const;

  // Constant after construction.
  MicrovmServices& services_;
  const std::string id_;
  std::shared_ptr<SerialQueue> queue_;
  std::shared_ptr<EndpointGate> gate_;
  std::atomic<bool> yielding_ = false;  // asked to, and the event not handled yet

  // Used by events only.
  Microvm record_;
  bool unsaved_ = false;  // the store refused the record: it is tried again
  Effect effect_ = Effect::kNone;
  std::optional<os::Cancellation> cancellation_;  // of the effect
  tracing::Trace trace_;                          // of the effect
  tracing::Trace suspend_trace_;                  // of the suspension that begins when requests have ended
  bool up_ = false;                               // the host runs the VM
  bool suspend_wanted_ = false;                   // by a client, as soon as the VM is RUNNING
  bool resume_wanted_ = false;                    // by a client, as soon as the VM is SUSPENDED
  tracing::Cause suspend_cause_;                  // the call; empty once taken
  tracing::Cause resume_cause_;
  tracing::Cause terminate_cause_;
  bool tell_application_ = false;     // of its termination
  std::deque<Save> saves_;            // wanted, the first one next
  std::optional<Rollback> rollback_;  // wanted, or under way
  std::optional<host::VmExit> exit_;  // came during an effect that will show what it means
  Drain drain_ = Drain::kNone;
  SteadyTime drain_since_;
  SteadyTime drain_until_;
  int terminate_attempts_ = 0;
  std::optional<SteadyTime> terminate_again_at_;
  std::optional<Timers::Id> timer_;

  mutable std::mutex published_mutex_;
  Microvm published_;             // guarded by published_mutex_
  std::string output_;            // guarded by published_mutex_; the last kOutputBytesMax
  std::uint64_t output_end_ = 0;  // guarded by published_mutex_; the offset behind output_
};

}  // namespace dormouse::control
