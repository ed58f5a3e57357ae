// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

namespace dormouse::agent {

// Whether the kernel's timers wake it when they should.
enum class Timers {
  kSound,
  kWrong,    // they fire, but at wrong times
  kStopped,  // they never fire: whatever waits for a time waits for ever
};

// Reads it off /proc/timer_list (linux: kernel/time/timer_list.c).
//
// The kernel measures the rate of the local APIC's timer when it boots, in a tenth of a second. If the host has no processor
// for the guest at that moment, it measures a wrong rate; if the rate is too low to be true, the kernel does without timers.
// The rate of QEMU's is known. One taken for too slow is harmless: the timer fires early, and is set again.
Timers judge_timers(std::string_view timer_list);

}  // namespace dormouse::agent
