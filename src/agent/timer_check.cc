// SPDX-License-Identifier: Apache-2.0

#include "agent/timer_check.h"

#include <cmath>
#include <cstdint>
#include <sstream>
#include <string>

namespace dormouse::agent {
namespace {

// QEMU's and KVM's local APIC counts nanoseconds, Linux divides by 16 (arch/x86/kernel/apic/apic.c, APIC_DIVISOR).
constexpr double kTicksPerNanosecond = 1.0 / 16;
constexpr double kTooFast = 1.1;            // times that: timers are late by a tenth
constexpr double kTooSlowToBeTrue = 0.001;  // times that: 1 MHz, below which Linux does without
constexpr double kFarTooSlow = 0.25;

Timers judge_rate(double ticks_per_nanosecond) {
  const double rate = ticks_per_nanosecond / kTicksPerNanosecond;
  if (rate < kTooSlowToBeTrue) {
    return Timers::kStopped;
  }
  return rate > kTooFast || rate < kFarTooSlow ? Timers::kWrong : Timers::kSound;
}

}  // namespace

Timers judge_timers(std::string_view timer_list) {
  std::istringstream lines{std::string(timer_list)};
  bool of_processor = false;
  bool of_apic = false;
  double multiplier = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (line.starts_with("Per CPU device:")) {
      of_processor = true;
    } else if (of_processor && line == "Clock Event Device: <NULL>") {
      return Timers::kStopped;
    } else if (of_processor && line.starts_with("Clock Event Device:")) {
      of_apic = line == "Clock Event Device: lapic";
    } else if (of_apic && name == "mult:") {
      words >> multiplier;
    } else if (of_apic && name == "shift:") {
      int shift = 0;
      words >> shift;
      if (const Timers verdict = judge_rate(std::ldexp(multiplier, -shift)); verdict != Timers::kSound) {
        return verdict;
      }
    }
  }
  return Timers::kSound;
}

}  // namespace dormouse::agent
