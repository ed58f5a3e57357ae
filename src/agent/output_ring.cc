// SPDX-License-Identifier: Apache-2.0

#include "agent/output_ring.h"

#include <algorithm>

namespace dormouse::agent {

void OutputRing::append(std::string_view bytes) {
  if (bytes.size() > capacity_) {
    end_ += bytes.size() - capacity_;
    bytes.remove_prefix(bytes.size() - capacity_);
  }
  while (!bytes.empty()) {
    const auto at = static_cast<std::size_t>(end_ % capacity_);
    const std::size_t count = std::min(bytes.size(), capacity_ - at);
    if (bytes_.size() < at + count) {
      bytes_.resize(at + count);
    }
    std::copy_n(bytes.begin(), count, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
    bytes.remove_prefix(count);
    end_ += count;
  }
}

std::string OutputRing::read(std::uint64_t offset, std::size_t bytes_max) const {
  std::string bytes;
  while (offset < end_ && bytes.size() < bytes_max) {
    const auto at = static_cast<std::size_t>(offset % capacity_);
    const std::uint64_t count = std::min<std::uint64_t>({end_ - offset, capacity_ - at, bytes_max - bytes.size()});
    bytes.append(bytes_.data() + at, static_cast<std::size_t>(count));
    offset += count;
  }
  return bytes;
}

}  // namespace dormouse::agent
