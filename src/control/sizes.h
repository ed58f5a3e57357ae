// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <optional>

#include "host/host.h"

namespace dormouse::control {

// The sizes on offer, by `minimumMemoryInMiB`, and the default (specification sections 1.4 and 6.2).
inline constexpr std::array kMemorySizesMib = {512, 1024, 2048, 4096, 8192};
inline constexpr int kDefaultMemorySizeMib = 2048;

// What a guest of that size sees: its peak, four times the minimum. Nothing if the size is not on offer.
std::optional<host::MachineSize> peak_size(int minimum_memory_in_mib);

}  // namespace dormouse::control
