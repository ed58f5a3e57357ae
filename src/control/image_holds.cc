// SPDX-License-Identifier: Apache-2.0

#include "control/image_holds.h"

namespace dormouse::control {

std::vector<std::string> ImageHolds::holders(const std::string& image_arn,
                                             const std::optional<std::string>& version) const {
  std::vector<std::string> found;
  for (const auto& [holder, key] : held_) {
    if (key.image_arn == image_arn && (!version || key.version == *version)) {
      found.push_back(holder);
    }
  }
  return found;
}

bool ImageHolds::hold(const std::string& holder,
                      const store::VersionKey& version,
                      const std::function<bool()>& allowed) {
  const std::lock_guard lock(mutex_);
  return allowed() && held_.emplace(holder, version).second;
}

void ImageHolds::release(const std::string& holder) {
  const std::lock_guard lock(mutex_);
  held_.erase(holder);
}

}  // namespace dormouse::control
