// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/host.h"

namespace dormouse::test {

// A machine that runs no VMs but keeps the rules of host::Host, and remembers who broke them: calls that overlap for one VM
// and calls in the wrong state. What it does next is scripted. Thread-safe.
class FakeHost final : public host::Host {
 public:
  enum class Call {
    kBuild,
    kLaunch,
    kSuspend,
    kResume,
    kCheckpoint,
    kRollback,
    kRemoveCheckpoint,
    kTerminate,
    kHook,
    kDial,
    kRemoveSnapshot
  };

  // ---- script ----
  void fail_next(Call call, ErrorKind kind, int times = 1);
  void fail_next_build(host::BuildFailure failure);
  void hold(Call call);  // calls of this kind wait from now on, until released, cancelled or out of time
  void release(Call call);
  void answer_hooks(const std::string& name, int status);    // "run"; 200 unless told
  void fail_hooks(const std::string& name, ErrorKind kind);  // no answer
  void set_build_output(std::string text);
  void set_not_ready(std::optional<std::string> reason);
  void set_cannot_hold(std::optional<std::string> reason);
  void set_private_bytes(std::uint64_t of_each);                      // of a VM that runs
  void set_kept_bytes(std::uint64_t bytes);                           // of processes of suspended VMs
  void put(const std::string& microvm_id, bool running);              // a VM of an earlier daemon
  void end(const std::string& microvm_id, const host::VmExit& exit);  // it is gone, and reported so
  // Its application writes. Told from where output is wanted on, as a guest that has it all would.
  void print(const std::string& microvm_id, std::string_view output);
  // All that it ever wrote from where it is wanted on: what a daemon that comes anew is told.
  void tell_again(const std::string& microvm_id);

  // ---- what happened ----
  // Waits until a call of this kind has begun `count` times in all. False after ten seconds.
  bool wait_for(Call call, int count = 1);
  int count(Call call) const;
  std::vector<host::HookCall> hook_calls() const;
  std::vector<host::BuildRequest> builds() const;
  std::vector<host::LaunchRequest> launches() const;
  std::vector<std::filesystem::path> removed_snapshots() const;
  std::vector<host::CheckpointRequest> checkpoints() const;
  std::vector<std::filesystem::path> rollbacks() const;
  std::vector<std::string> broken_rules() const;
  std::set<std::string> vms() const;  // running or suspended
  // What foundations() will say of this directory.
  void stands_on(const std::filesystem::path& directory, host::Foundations foundations);

  // ---- host::Host ----
  tl::expected<host::BuildResult, host::BuildFailure> build(const host::BuildRequest& request,
                                                            host::BuildObserver& observer,
                                                            const os::Context& context) override;
  Result<host::LaunchResult> launch(const host::LaunchRequest& request, const os::Context& context) override;
  Result<host::SuspendResult> suspend(const std::string& microvm_id, const os::Context& context) override;
  Status resume(const std::string& microvm_id, const os::Context& context) override;
  // Makes the directory, with the record in it.
  Result<host::CheckpointResult> checkpoint(const host::CheckpointRequest& request,
                                            const os::Context& context) override;
  Status rollback(const std::string& microvm_id,
                  const std::filesystem::path& checkpoint,
                  const os::Context& context) override;
  Status remove_checkpoint(const std::filesystem::path& checkpoint) override;
  Status terminate(const std::string& microvm_id) override;
  Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) override;
  Result<host::HookAnswer> call_hook(const std::string& microvm_id,
                                     const host::HookCall& call,
                                     const os::Context& context) override;
  Result<std::vector<host::RecoveredVm>> recover(const os::Context& context) override;
  Status remove_snapshot(const std::filesystem::path& snapshot) override;
  host::Foundations foundations(const std::filesystem::path& directory) const override;
  std::optional<int> vmm_process(const std::string& microvm_id) const override;
  host::MemoryUse memory_use() const override;
  std::uint64_t release_kept(std::uint64_t bytes) override;
  std::optional<std::string> not_ready() const override;
  std::optional<std::string> cannot_hold(const host::MachineSize& size) const override;
  host::Isolation isolation() const override { return host::Isolation::kTcg; }
  std::string isolation_reason() const override { return "this host is a fake"; }
  void on_exit(host::ExitHandler handler) override;
  void on_output(host::OutputHandler handler, host::OutputWanted wanted) override;

 private:
  class Exclusive;
  // Counts the call, waits while calls of its kind are held, takes a scripted failure.
  Status begin(Call call, const os::Context* context, std::string_view doing);
  Status expect_state(const std::string& microvm_id, bool running, std::string_view doing);

  mutable std::mutex mutex_;  // guards everything below
  mutable std::condition_variable changed_;
  std::map<Call, int> counts_;
  std::map<Call, std::deque<ErrorKind>> failures_;
  std::set<Call> held_;
  std::deque<host::BuildFailure> build_failures_;
  std::map<std::string, int> hook_statuses_;
  std::map<std::string, ErrorKind> hook_failures_;
  std::string build_output_ = "STEP 1: FROM dormouse.local/base:debian12\n";
  std::optional<std::string> not_ready_;
  std::optional<std::string> cannot_hold_;
  std::uint64_t private_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::map<std::string, bool> vms_;  // whether it runs
  std::map<std::string, std::string> busy_;
  std::vector<std::string> broken_rules_;
  std::vector<host::HookCall> hook_calls_;
  std::vector<host::BuildRequest> builds_;
  std::vector<host::LaunchRequest> launches_;
  std::vector<std::filesystem::path> removed_snapshots_;
  std::map<std::filesystem::path, host::Foundations> foundations_;
  std::vector<host::CheckpointRequest> checkpoints_;
  std::vector<std::filesystem::path> rollbacks_;
  host::ExitHandler on_exit_;
  host::OutputHandler on_output_;
  host::OutputWanted output_wanted_;
  std::map<std::string, std::string> outputs_;
};

}  // namespace dormouse::test
