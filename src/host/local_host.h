// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine_store.h"
#include "host/guest.h"
#include "host/host.h"
#include "host/image_builder.h"
#include "host/kept_processes.h"
#include "host/template_store.h"
#include "host/user_pool.h"
#include "host/vm.h"
#include "host/warm_pool.h"
#include "host/watcher.h"
#include "managed_base/managed_base.h"
#include "network/address_policy.h"
#include "network/egress_server.h"
#include "os/worker_pool.h"
#include "snapshot/foundations.h"
#include "snapshot/layout.h"

namespace dormouse::host {

struct LocalHostOptions {
  std::filesystem::path data_directory;
  std::filesystem::path cache_directory = "/var/cache/dormouse";
  std::filesystem::path program_directory;  // where dormouse-agent, dormouse-vmm-launch and the shim are
  std::string qemu = "/usr/bin/qemu-system-x86_64";
  std::string acceleration = "auto";  // auto, kvm, tcg
  std::optional<std::filesystem::path> kernel;
  std::string substitute_base = "auto";
  unsigned first_user = 200'000;  // VMMs run as user ids from here on
  unsigned users = 4096;
  network::AddressPolicy egress_policy;
  bool peaks_must_fit = true;               // sizes whose peak is more than the host's memory are refused
  std::chrono::seconds keep_suspended{60};  // that the process of a suspended VM is kept; 0: not at all
};

// This machine as a host of VMs. Needs root. The managed base is made in the background after recover(), with the progress
// in not_ready().
class LocalHost final : public Host {
 public:
  // Probes the machine: acceleration (and what is known of the base's kernel), the counter's rate, QEMU, which becomes an engine if it is not one yet. Takes about a
  // second.
  static Result<std::unique_ptr<LocalHost>> create(LocalHostOptions options, const os::Context& context);
  ~LocalHost() override;  // VMs run on

  tl::expected<BuildResult, BuildFailure> build(const BuildRequest& request,
                                                BuildObserver& observer,
                                                const os::Context& context) override;
  Result<LaunchResult> launch(const LaunchRequest& request, const os::Context& context) override;
  Result<SuspendResult> suspend(const std::string& microvm_id, const os::Context& context) override;
  Status resume(const std::string& microvm_id, const os::Context& context) override;
  Result<CheckpointResult> checkpoint(const CheckpointRequest& request, const os::Context& context) override;
  Status rollback(const std::string& microvm_id,
                  const std::filesystem::path& checkpoint,
                  const os::Context& context) override;
  Status remove_checkpoint(const std::filesystem::path& checkpoint) override;
  Status terminate(const std::string& microvm_id) override;
  Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) override;
  Result<HookAnswer> call_hook(const std::string& microvm_id,
                               const HookCall& call,
                               const os::Context& context) override;
  Result<std::vector<RecoveredVm>> recover(const os::Context& context) override;
  Status remove_snapshot(const std::filesystem::path& snapshot) override;
  Foundations foundations(const std::filesystem::path& directory) const override {
    return snapshot::foundations_of(directory);
  }
  std::optional<int> vmm_process(const std::string& microvm_id) const override;
  MemoryUse memory_use() const override;
  std::uint64_t release_kept(std::uint64_t bytes) override { return kept_.release(bytes); }
  std::optional<std::string> not_ready() const override;
  std::optional<std::string> cannot_hold(const MachineSize& size) const override;
  // Removes the engines that no image, VM or checkpoint names any more. Cheap while there is but the current one. Failing is no
  // more than a warning in the log: it is done again.
  void collect_engines();
  // The same of the managed bases that no data directory of this machine names.
  void collect_bases(const os::Context& context) const;

  Isolation isolation() const override;
  std::string isolation_reason() const override { return acceleration_reason_; }
  PoolFigures pool_figures() const override;
  KeptFigures kept_figures() const override;
  // Called when the kernel of the base was refused under the acceleration that create() chose: with the same options it chooses
  // another one from now on. To be set before recover(); without a handler not_ready() says what to do. It must not wait for this.
  using RestartHandler = std::function<void()>;
  void on_restart(RestartHandler handler) { restart_handler_ = std::move(handler); }

  void on_exit(ExitHandler handler) override;
  void on_output(OutputHandler handler, OutputWanted wanted) override;

 private:
  LocalHost(LocalHostOptions options,
            const snapshot::Platform& platform,
            std::string acceleration_reason,
            std::unique_ptr<engine::EngineStore> engines,
            std::unique_ptr<network::EgressServer> egress,
            managed_base::FileLock registration);

  std::shared_ptr<Vm> find(const std::string& microvm_id) const;
  Result<std::shared_ptr<Vm>> require(const std::string& microvm_id) const;  // kNotFound
  Result<std::shared_ptr<Guest>> running(const std::string& microvm_id) const;
  Status admit(const LaunchRequest& request) const;
  Result<std::filesystem::path> empty_overlay(std::uint64_t size_bytes, const os::Context& context);
  void prepare_base();
  // Whether guests can be made of this base. If not, not_ready() says what comes of it.
  bool kernel_boots(const managed_base::ManagedBase& base,
                    const std::filesystem::path& initramfs,
                    const os::Context& context);
  Result<std::optional<std::string>> try_kernel(const managed_base::ManagedBase& base,
                                                const std::filesystem::path& initramfs,
                                                const os::Context& context);
  void review_kept();
  void set_not_ready(std::optional<std::string> reason);
  std::string why_no_builds() const;
  void kill_strays(const std::vector<int>& known) const;

  const LocalHostOptions options_;
  const snapshot::Layout layout_;
  const snapshot::Platform platform_;
  const std::string acceleration_reason_;
  const std::unique_ptr<engine::EngineStore> engines_;
  const managed_base::ManagedBaseStore bases_;
  const managed_base::FileLock registration_;  // of the data directory, as one that uses bases
  std::unique_ptr<network::EgressServer> egress_;
  UserPool users_;
  TemplateStore templates_;
  GuestSupport guest_support_;
  os::WorkerPool disposal_{{1, 1024}};
  ExitHandler exit_handler_;
  OutputHandler output_handler_;
  OutputWanted output_wanted_;
  RestartHandler restart_handler_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<VmSupport> vm_support_;
  const SystemClock clock_;
  KeptProcesses kept_;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Vm>> vms_;  // guarded by mutex_
  std::optional<std::string> not_ready_;            // guarded by mutex_
  std::optional<std::string> no_builds_;            // guarded by mutex_; why, on a host that launches all the same
  std::unique_ptr<BuildSupport> build_support_;     // guarded by mutex_ until set; then constant
  std::mutex overlay_mutex_;                        // one makes an empty overlay at a time

  os::Cancellation stop_;
  std::thread preparation_;
  std::condition_variable stopping_;  // with mutex_
  bool stopped_ = false;              // guarded by mutex_
  std::thread kept_review_;
  std::unique_ptr<WarmPool> warm_;  // from recover() on
};

}  // namespace dormouse::host
