// SPDX-License-Identifier: Apache-2.0
//
// MicrovmTask after a restart of the daemon: what becomes of a record, given what the host found.

#include <utility>

#include <fmt/core.h>

#include "control/microvm_task.h"
#include "control/policies.h"
#include "control/record_codec.h"

namespace dormouse::control {

void MicrovmTask::adopt_now(host::RecoveredVm::State found, const std::string& reason) {
  if (record_.state == MicrovmState::kPending) {
    request_end({"The daemon restarted while the MicroVM was being launched.", "DAEMON_RESTARTED"}, false);
    return;
  }
  if (record_.state == MicrovmState::kTerminating) {
    return;  // settle() ends it
  }
  switch (found) {
    case host::RecoveredVm::State::kRunning: adopt_running(); break;
    case host::RecoveredVm::State::kSuspended: adopt_suspended(); break;
    case host::RecoveredVm::State::kGone:
      request_end({fmt::format("The MicroVM was gone when the daemon restarted: {}.", reason), "DAEMON_RESTARTED"},
                  false);
      break;
  }
}

void MicrovmTask::adopt_running() {
  up_ = true;
  switch (record_.state) {
    case MicrovmState::kSuspended:
      start_resume(false);  // it was waking up: its application is told, perhaps again
      return;
    case MicrovmState::kSuspending:
      record_.state_reason = "The daemon restarted while the MicroVM was being suspended; it runs on.";
      apply(MicrovmEvent::kNotSuspended);
      break;
    default: break;
  }
  gate_->open();
}

void MicrovmTask::adopt_suspended() {
  if (record_.state == MicrovmState::kRunning) {
    apply(MicrovmEvent::kSuspend);
  }
  if (record_.state == MicrovmState::kSuspending) {
    record_.suspended_at = rounded(services_.world.clock.wall());
    apply(MicrovmEvent::kSuspended);
  }
}

}  // namespace dormouse::control
