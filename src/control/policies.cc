// SPDX-License-Identifier: Apache-2.0

#include "control/policies.h"

#include <algorithm>

#include <fmt/core.h>

namespace dormouse::control {

namespace {

// Takes the deadline that comes first; what is due already has `left` <= 0.
void consider(Due& due, DueAction action, WallTime::duration left) {
  if (left <= WallTime::duration::zero()) {
    due.action = action;
    due.look_again_in.reset();
  } else if (due.action == DueAction::kNothing) {
    due.look_again_in = due.look_again_in ? std::min(*due.look_again_in, left) : left;
  }
}

std::string or_default(const std::string& sentence, const char* otherwise) {
  return sentence.empty() ? otherwise : sentence;
}

}  // namespace

Due due(const Microvm& microvm, WallTime now, SteadyTime::duration idle_for) {
  Due result;
  if (microvm.state == MicrovmState::kTerminating || microvm.state == MicrovmState::kTerminated) {
    return result;
  }
  if (microvm.idle_policy && microvm.state == MicrovmState::kRunning) {
    const std::chrono::seconds limit(microvm.idle_policy->max_idle_duration_seconds);
    consider(result, DueAction::kSuspendIdle, limit - idle_for);
  }
  if (microvm.idle_policy && microvm.state == MicrovmState::kSuspended && microvm.suspended_at) {
    const std::chrono::seconds limit(microvm.idle_policy->suspended_duration_seconds);
    consider(result, DueAction::kTerminateSleepy, *microvm.suspended_at + limit - now);
  }
  // Last, so that it wins: the end of life needs no nap before it.
  consider(result,
           DueAction::kTerminateOld,
           microvm.started_at + std::chrono::seconds(microvm.maximum_duration_seconds) - now);
  return result;
}

bool resumes_on_request(const Microvm& microvm) {
  return microvm.idle_policy && microvm.idle_policy->auto_resume_enabled;
}

bool may_free_memory(const Microvm& microvm) {
  switch (microvm.state) {
    case MicrovmState::kSuspending:
    case MicrovmState::kTerminating: return true;
    case MicrovmState::kPending:
    case MicrovmState::kRunning: return resumes_on_request(microvm);
    case MicrovmState::kSuspended:
    case MicrovmState::kTerminated: return false;
  }
  return false;
}

bool ends_on_suspend(const Microvm& microvm) {
  return microvm.idle_policy && microvm.idle_policy->suspended_duration_seconds == 0;
}

std::string sentence_for(DueAction action, const Microvm& microvm) {
  switch (action) {
    case DueAction::kNothing:
    case DueAction::kSuspendIdle: return "";
    case DueAction::kTerminateSleepy:
      return fmt::format("The MicroVM was suspended for longer than suspendedDurationSeconds allows ({} seconds).",
                         microvm.idle_policy ? microvm.idle_policy->suspended_duration_seconds : 0);
    case DueAction::kTerminateOld:
      return fmt::format("The MicroVM reached its maximumDurationInSeconds ({} seconds).",
                         microvm.maximum_duration_seconds);
  }
  return "";
}

std::string sentence_for(const host::VmExit& exit) {
  switch (exit.cause) {
    case host::VmExit::Cause::kApplicationExited: {
      // A container that a signal ended has 128 and its number for a code, as a shell shows it.
      const int code = exit.exit_code.value_or(exit.signal ? 128 + *exit.signal : -1);
      std::string sentence = fmt::format("Container Stopped with Exit Code: {}", code);
      if (exit.signal) {
        sentence += fmt::format(". It was ended by signal {}.", *exit.signal);
      }
      if (exit.out_of_memory) {
        sentence += exit.signal ? "" : ".";
        sentence += " The guest's kernel killed a process because memory ran out.";
      }
      return sentence;
    }
    case host::VmExit::Cause::kVmmDied: {
      std::string otherwise = "The virtual machine monitor ended unexpectedly";
      otherwise += exit.signal ? fmt::format(", by signal {}.", *exit.signal) : ".";
      return or_default(exit.sentence, otherwise.c_str());
    }
    case host::VmExit::Cause::kGuestFailed:
      return or_default(exit.sentence, "The guest failed: its kernel stopped or its agent does not answer.");
    case host::VmExit::Cause::kDiskFull:
      return or_default(exit.sentence, "The host's disk is full: the MicroVM could not write.");
  }
  return "";
}

std::string code_for(const host::VmExit& exit) {
  switch (exit.cause) {
    case host::VmExit::Cause::kApplicationExited: return exit.out_of_memory ? "OUT_OF_MEMORY" : "APPLICATION_EXITED";
    case host::VmExit::Cause::kVmmDied: return "VMM_DIED";
    case host::VmExit::Cause::kGuestFailed: return "GUEST_FAILED";
    case host::VmExit::Cause::kDiskFull: return "DISK_FULL";
  }
  return "";
}

}  // namespace dormouse::control
