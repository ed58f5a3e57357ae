// SPDX-License-Identifier: Apache-2.0

#include "control/sizes.h"

#include <cstdint>

namespace dormouse::control {

namespace {

constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30U;

struct Size {
  int minimum_memory_in_mib;
  host::MachineSize peak;
};

constexpr Size kSizes[] = {
    {512, {2048, 1, 8 * kGibibyte}},
    {1024, {4096, 2, 8 * kGibibyte}},
    {2048, {8192, 4, 8 * kGibibyte}},
    {4096, {16384, 8, 16 * kGibibyte}},
    {8192, {32768, 16, 32 * kGibibyte}},
};

}  // namespace

std::optional<host::MachineSize> peak_size(int minimum_memory_in_mib) {
  for (const Size& size : kSizes) {
    if (size.minimum_memory_in_mib == minimum_memory_in_mib) {
      return size.peak;
    }
  }
  return std::nullopt;
}

}  // namespace dormouse::control
