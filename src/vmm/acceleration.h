// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "os/context.h"
#include "vmm/machine.h"

namespace dormouse::vmm {

// Which acceleration to use, and why in one sentence for the user.
struct AccelerationVerdict {
  Acceleration acceleration = Acceleration::kTcg;
  std::string reason;
};

// Decides by running guest code: /dev/kvm can exist, open and create a VM on hosts where no guest ever progresses. A loop
// of a million iterations takes about a millisecond on a real host; one that takes more than kLoopMax is no use.
// The loop runs with the rights that a VMM has, since /dev/kvm is often root's alone. `wanted` overrides ("auto", "kvm",
// "tcg"); the reason then says so.
inline constexpr std::chrono::milliseconds kLoopMax{100};
Result<AccelerationVerdict> choose_acceleration(const std::string& wanted,
                                                const std::string& launcher,
                                                const os::Context& context,
                                                const std::string& device = "/dev/kvm");

// The rate of this host's time stamp counter, measured over 100 ms against CLOCK_MONOTONIC_RAW. A TCG guest must be told
// it: its rdtsc is the host's.
std::uint64_t measure_tsc_khz();

}  // namespace dormouse::vmm
