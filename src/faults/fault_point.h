// SPDX-License-Identifier: Apache-2.0
//
// Steps of operations at which a test ends the daemon, the VMM or the operation: what a crash at any step leaves behind is
// then something that a test can show, not something that it has to hit by chance.
//
// The program is the one that users run. A step that nobody armed costs one load from memory. watch() is called by main()
// before there are threads, if the environment names a directory; from then on a file in it arms the step that it is named
// after. It says what to do, and what the subject's name begins with:
//
//     save.state_written        "kill-vmm microvm-0a1b"
//
// The first that reaches the step removes the file and does what it says:
//     kill-daemon   the daemon ends as by SIGKILL
//     kill-vmm      the VMM of the operation ends so, and the operation goes on
//     fail          the operation fails here
//     hold          the operation stands still, for ten minutes at most, until there is a file named after the step and
//                   ".go": the daemon can be killed with many operations at different steps

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::faults {

// What can happen at a step besides the daemon's end.
enum class Breaks {
  kNothing,  // what was done cannot be undone, and there is no VMM
  kStep,     // the operation can fail
  kVmm,      // the VMM can end
  kBoth,
};

struct KnownStep {
  std::string_view name;
  Breaks breaks;
};

// Every step that there is: `dormoused --fault-points` prints them, and tests/vm/fault_points goes through all.
inline constexpr std::array kSteps = {
    // A clone is made, for a VM or ahead of one; one that was made ahead becomes a VM's.
    KnownStep{"launch.begun", Breaks::kStep},
    KnownStep{"launch.overlay_made", Breaks::kStep},
    KnownStep{"launch.vmm_started", Breaks::kBoth},
    KnownStep{"launch.state_loaded", Breaks::kBoth},
    KnownStep{"launch.awake", Breaks::kBoth},
    KnownStep{"launch.moved", Breaks::kBoth},
    KnownStep{"launch.recorded", Breaks::kBoth},
    KnownStep{"launch.watched", Breaks::kBoth},
    // What suspensions and checkpoints of a VM that runs have in common, and what resumptions and launches from one have.
    KnownStep{"save.state_written", Breaks::kBoth},
    KnownStep{"save.pages_written", Breaks::kBoth},
    KnownStep{"load.vmm_started", Breaks::kBoth},
    KnownStep{"load.vmm_taken", Breaks::kBoth},  // that was started ahead
    KnownStep{"load.vmm_moved", Breaks::kBoth},
    KnownStep{"load.pages_loaded", Breaks::kBoth},
    KnownStep{"load.state_loaded", Breaks::kBoth},

    KnownStep{"suspend.frozen", Breaks::kBoth},
    KnownStep{"suspend.stopped", Breaks::kBoth},
    KnownStep{"suspend.synced", Breaks::kBoth},
    KnownStep{"suspend.published", Breaks::kVmm},
    KnownStep{"suspend.let_go", Breaks::kNothing},  // the VMM: ended, or kept for a while

    KnownStep{"resume.begun", Breaks::kStep},
    KnownStep{"resume.kept_taken", Breaks::kBoth},  // the VMM that was kept; without one:
    KnownStep{"resume.recorded", Breaks::kBoth},
    KnownStep{"resume.consumed", Breaks::kBoth},
    KnownStep{"resume.awake", Breaks::kBoth},
    KnownStep{"resume.watched", Breaks::kVmm},

    KnownStep{"fork.overlay_copied", Breaks::kStep},
    KnownStep{"fork.recorded", Breaks::kBoth},
    KnownStep{"fork.awake", Breaks::kBoth},

    KnownStep{"checkpoint.begun", Breaks::kBoth},
    KnownStep{"checkpoint.frozen", Breaks::kVmm},
    KnownStep{"checkpoint.stopped", Breaks::kBoth},
    KnownStep{"checkpoint.disk_copied", Breaks::kBoth},
    KnownStep{"checkpoint.going_on", Breaks::kVmm},
    KnownStep{"checkpoint.synced", Breaks::kBoth},
    KnownStep{"checkpoint.published", Breaks::kVmm},
    KnownStep{"checkpoint.withdrawn", Breaks::kNothing},  // its deletion

    KnownStep{"rollback.prepared", Breaks::kBoth},
    KnownStep{"rollback.published", Breaks::kVmm},
    KnownStep{"rollback.vmm_ended", Breaks::kStep},
    KnownStep{"rollback.file_replaced", Breaks::kStep},
    KnownStep{"rollback.files_replaced", Breaks::kStep},
    KnownStep{"rollback.done", Breaks::kNothing},

    KnownStep{"terminate.begun", Breaks::kBoth},
    KnownStep{"terminate.vmm_ended", Breaks::kStep},
    KnownStep{"terminate.files_removed", Breaks::kStep},

    KnownStep{"build.fetched", Breaks::kStep},
    KnownStep{"build.disk_made", Breaks::kBoth},  // with the guest that ran the Dockerfile
    KnownStep{"build.frozen", Breaks::kBoth},
    KnownStep{"build.state_written", Breaks::kBoth},
    KnownStep{"build.sealed", Breaks::kStep},
    KnownStep{"build.manifest_written", Breaks::kStep},
    KnownStep{"build.published", Breaks::kStep},
    KnownStep{"build.validated", Breaks::kStep},

    // Of an image and of a version.
    KnownStep{"delete.begun", Breaks::kStep},
    KnownStep{"delete.withdrawn", Breaks::kStep},
    KnownStep{"delete.files_removed", Breaks::kStep},
    // Of what no record names, at start.
    KnownStep{"collect.removed", Breaks::kStep},
    // Of an engine that nothing names any more.
    KnownStep{"engine.withdrawn", Breaks::kStep},
    KnownStep{"engine.removed", Breaks::kStep},
    // Of a managed base that nothing names any more.
    KnownStep{"base.withdrawn", Breaks::kStep},
    KnownStep{"base.removed", Breaks::kStep},
};

// The name of a known step: another one does not compile.
class Step {
 public:
  // Implicit: it is written as a literal.
  consteval Step(const char* name) : name_(name) {  // NOLINT(google-explicit-constructor)
    const auto known = std::find_if(
        kSteps.begin(), kSteps.end(), [&](const KnownStep& step) { return step.name == std::string_view(name); });
    if (known == kSteps.end()) {
      throw std::logic_error("not in kSteps");
    }
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

// Looks for armed steps in this directory from now on. Once, before there are threads.
void watch(std::filesystem::path directory);
extern std::atomic<bool> watching;

// Whom the operation is about, and the process of its VMM, if it has one.
struct Subject {
  std::string_view name;
  std::optional<int> vmm = std::nullopt;
};
Status reach_armed(Step step, const Subject& subject);

// To be called where the step is done. An error only if the step was told to fail.
inline Status reach(Step step, const Subject& subject) {
  return watching.load(std::memory_order_relaxed) ? reach_armed(step, subject) : Status();
}

}  // namespace dormouse::faults
