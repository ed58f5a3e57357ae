// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "control/records.h"

namespace dormouse::control {

// What the clock asks of a VM: the idle policy, the time that it may sleep, the time that it may live (specification
// sections 1.5 and 4.3). A pure function of the record and the time.
enum class DueAction { kNothing, kSuspendIdle, kTerminateSleepy, kTerminateOld };

struct Due {
  DueAction action = DueAction::kNothing;
  std::optional<WallTime::duration> look_again_in;  // when nothing is due, and something will be
};

// `idle_for`: since the last byte through the endpoint, or since the VM became RUNNING.
Due due(const Microvm& microvm, WallTime now, SteadyTime::duration idle_for);

// Whether a request to the sleeping VM wakes it.
bool resumes_on_request(const Microvm& microvm);
// Whether the memory that it has, or is about to have, may be had by others before somebody asks for its end: it is going, or
// may be put to sleep once nobody uses it.
bool may_free_memory(const Microvm& microvm);
// Whether a suspension ends the VM instead (suspendedDurationSeconds 0).
bool ends_on_suspend(const Microvm& microvm);

// Sentences for stateReason.
std::string sentence_for(DueAction action, const Microvm& microvm);
std::string sentence_for(const host::VmExit& exit);
// For termination_reason_code.
std::string code_for(const host::VmExit& exit);

}  // namespace dormouse::control
