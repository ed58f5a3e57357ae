// SPDX-License-Identifier: Apache-2.0
//
// Inside of Microvms: microvms.cc launches, lists and changes, microvms_fork.cc makes VMs of others.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/disk_budget.h"
#include "control/identifiers.h"
#include "control/live_microvms.h"
#include "control/memory_budget.h"
#include "control/microvm_task.h"
#include "control/microvms.h"
#include "control/timers.h"
#include "control/world.h"
#include "os/worker_pool.h"

namespace dormouse::control {

class Microvms::Implementation {
 public:
  Implementation(World& world, Images& images);

  Answer<Microvm> run(const std::string& account, const RunRequest& request, const std::string& digest);
  Answer<std::optional<Microvm>> replay(const std::string& account,
                                        const RunRequest& request,
                                        const std::string& digest);
  Answer<Microvm> find(const std::string& account, const std::string& microvm_id) const;
  Answer<void> change(const std::string& account,
                      const std::string& microvm_id,
                      Answer<void> (MicrovmTask::*action)(const tracing::Cause&),
                      bool accept_ended,
                      const tracing::Cause& cause);
  Answer<std::vector<Microvm>> fork_microvm(const std::string& account,
                                            const std::string& microvm_id,
                                            const ForkRequest& request);
  Answer<std::vector<Microvm>> launch_from(const Microvm& source,
                                           const std::shared_ptr<const SavedState>& checkpoint,
                                           const ForkRequest& request);
  std::shared_ptr<MicrovmTask> task_of(const std::string& microvm_id) const { return live->find(microvm_id); }
  void start(const std::vector<host::RecoveredVm>& found);
  void stop();

  World& world;
  Images& images;
  const std::shared_ptr<LiveMicrovms> live = std::make_shared<LiveMicrovms>();
  std::function<void(const Microvm&)> observer;  // constant after start

 private:
  // VMs that are about to be launched, each with what to.
  struct Child {
    std::shared_ptr<MicrovmTask> task;
    LaunchJob job;
  };
  struct Rooms {
    std::vector<MemoryBudget::RoomPointer> memory;  // of each VM
    DiskBudget::RoomPointer disk;                   // of all of them
  };
  // The rooms of so many VMs of this size, unless the host lacks something that they need.
  Answer<Rooms> admit_to_host(const host::MachineSize& size, int vms);
  // A record with names of its own and the defaults for the rest.
  Microvm new_vm(const std::string& account, const std::string& image_arn, const std::string& version) const;
  Answer<void> admit_to_account(const std::shared_ptr<MicrovmTask>& task, const Microvm& record) const;
  Answer<std::vector<Child>> new_children(const Microvm& source, const ForkRequest& request);
  Answer<Microvm> new_record(const Caller& caller, const RunRequest& request, const ImageVersion& version) const;
  LaunchJob new_job(const Microvm& record,
                    const Image& image,
                    const std::optional<std::string>& run_hook_payload,
                    MemoryBudget::RoomPointer memory,
                    DiskBudget::RoomPointer disk) const;
  void open_logs(const Microvm& record);
  void sweep();
  void plan_sweep();
  void plan_relief();
  void plan_disk_count();

  Timers timers_;
  os::WorkerPool events_;
  os::WorkerPool arrivals_;
  os::WorkerPool departures_;
  MemoryBudget memory_;
  MicrovmServices services_;
};

tl::unexpected<ServiceError> microvm_not_found(const std::string& microvm_id);

}  // namespace dormouse::control
