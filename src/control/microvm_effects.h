// SPDX-License-Identifier: Apache-2.0
//
// What is done to a VM at the host, hooks included (specification section 6.1): blocking procedures without state. Their
// failures are sentences for the tenant; what an operator needs beyond that they log.
//
// Choices where the specification leaves room: a /run that fails ends the VM; a /suspend that fails leaves it RUNNING (or
// ends it, by World::suspend_hook_failure); a /resume that fails puts it back to sleep, so that the next request tries
// again; /terminate is asked and its answer ignored.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/disk_budget.h"
#include "control/memory_budget.h"
#include "control/microvms.h"
#include "control/records.h"
#include "host/host.h"
#include "os/context.h"

namespace dormouse::control {

class World;

// Why a VM must end: for state_reason and termination_reason_code.
struct Ending {
  std::string sentence;
  std::string code;
};

// A checkpoint that somebody uses: it is there as long as the object is. `released` is called at the end.
class SavedState {
 public:
  SavedState(std::filesystem::path directory, std::function<void()> released)
      : directory_(std::move(directory)), released_(std::move(released)) {}
  ~SavedState() { released_(); }
  SavedState(const SavedState&) = delete;
  SavedState& operator=(const SavedState&) = delete;

  const std::filesystem::path& directory() const { return directory_; }

 private:
  const std::filesystem::path directory_;
  const std::function<void()> released_;
};

struct LaunchJob {
  host::LaunchRequest request;
  Hooks hooks;
  std::optional<std::string> run_hook_payload;
  std::optional<std::string> parent_microvm_id;   // of a child: its /run hook is told
  std::shared_ptr<const SavedState> saved_state;  // that request.checkpoint names
  MemoryBudget::RoomPointer room;                 // since the launch was accepted
  DiskBudget::RoomPointer disk_room;              // likewise, shared by those accepted with it
  tracing::Trace trace{};
};
tl::expected<host::LaunchResult, Ending> launch_microvm(host::Host& host,
                                                        MemoryBudget& memory,
                                                        const LaunchJob& job,
                                                        const os::Context& context);

struct SuspendFailure {
  std::string sentence;
  bool by_hook = false;  // the application refused; else the host failed. The VM runs on
};
tl::expected<void, SuspendFailure> suspend_microvm(World& world,
                                                   const std::string& microvm_id,
                                                   const Hooks& hooks,
                                                   const os::Context& context);

struct ResumeFailure {
  std::string sentence;
  EndpointRefusal refusal = EndpointRefusal::kResumeFailed;
  std::optional<Ending> ending;  // the VM is gone, or must go; else it sleeps as before
};
// `at_host`: false if the host runs the VM already and only the application has to be told.
tl::expected<void, ResumeFailure> resume_microvm(host::Host& host,
                                                 MemoryBudget& memory,
                                                 const std::string& microvm_id,
                                                 const Hooks& hooks,
                                                 bool at_host,
                                                 const os::Context& context);

// What it writes from then on is not taken for what it wrote before.
Status rollback_microvm(World& world,
                        const std::string& microvm_id,
                        const std::filesystem::path& checkpoint,
                        const os::Context& context);

Status terminate_microvm(host::Host& host,
                         const std::string& microvm_id,
                         const Hooks& hooks,
                         bool tell_application,
                         const os::Context& context);

}  // namespace dormouse::control
