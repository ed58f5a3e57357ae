// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "faults/fault_point.h"
#include "host/clone.h"
#include "host/guest.h"
#include "host/host.h"
#include "snapshot/vm_files.h"

namespace dormouse::host {

// One VM on this machine: its files and, unless it is suspended, its guest.
//
// Operations run one at a time, except terminate(), which makes the one under way fail, and guest(), which is for dialling.
class Vm {
 public:
  Vm(VmSupport& support, std::string id, std::filesystem::path directory);
  ~Vm();  // leaves the process running
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  Status launch(const LaunchRequest& request, const os::Context& context);
  Result<SuspendResult> suspend(const os::Context& context);
  Status resume(const os::Context& context);
  Result<CheckpointResult> checkpoint(const CheckpointRequest& request, const os::Context& context);
  Status rollback(const std::filesystem::path& checkpoint, const os::Context& context);
  Status terminate();

  // Takes up what an earlier daemon left. kSuspended and kRunning; for kGone the directory and a process are removed.
  RecoveredVm recover(const os::Context& context);

  // The guest while it runs. Keeps it from being destroyed, not from being ended.
  std::shared_ptr<Guest> guest() const;
  std::optional<int> process() const;

 private:
  Result<Clone> obtain(const LaunchRequest& request, const os::Context& context);
  Result<Clone> obtain_for(const snapshot::SuspendedRecord& record, const os::Context& context);
  void let_go(const std::shared_ptr<Guest>& guest, const os::Context& context);
  Status continue_kept(const std::shared_ptr<Guest>& kept, const os::Context& context);
  Status restore(const snapshot::SuspendedRecord& record, const os::Context& context);
  Result<Clone> started_ahead(const snapshot::SuspendedRecord& record, const os::Context& context);
  Status adopt(Clone clone);
  Status launch_clone(const LaunchRequest& request, const os::Context& context);
  Status launch_child(const LaunchRequest& request, const os::Context& context);
  // The state of a guest that stands still: the files of `to` are written, not made durable; of `from`, read.
  Result<snapshot::SuspendedRecord> save(Guest& guest,
                                         const snapshot::VmFiles& to,
                                         std::uint64_t& bytes,
                                         const os::Context& context);
  Status load(Guest& guest,
              const snapshot::VmFiles& from,
              const snapshot::SuspendedRecord& record,
              const os::Context& context);
  // Fills `to` from the VM that runs, or sleeps.
  Result<snapshot::SuspendedRecord> capture(Guest& guest,
                                            const snapshot::VmFiles& to,
                                            CheckpointResult& result,
                                            const os::Context& context);
  Result<snapshot::SuspendedRecord> copy(const snapshot::VmFiles& to,
                                         CheckpointResult& result,
                                         const os::Context& context);
  // What a suspension has written, and the way to it: the name of the VM's directory.
  Status sync_state();
  Status sync_name();
  Status attach(const snapshot::VmRecord& record, const os::Context& context);
  void publish_guest(std::shared_ptr<Guest> guest);
  Status watch(Guest& guest, std::uint64_t output_from, const os::Context& context);
  Status begin_to_run(const os::Context& context);
  Status end_guest();
  Status reached(faults::Step step) const { return faults::reach(step, {id_, process()}); }

  VmSupport& support_;
  const std::string id_;
  const snapshot::VmFiles files_;
  std::mutex operation_;  // held by the operation under way

  // Used by the operation under way only.
  Clone clone_;                   // its guest is guest_
  bool name_is_durable_ = false;  // of the directory, in that of all VMs

  mutable std::mutex mutex_;
  std::shared_ptr<Guest> guest_;  // guarded by mutex_
};

}  // namespace dormouse::host
