// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/rows.h"

namespace dormouse::control {

// What needs the snapshot of an image version beside VMs: checkpoints. Neither the version nor its image is deleted
// while something holds it.
//
// A holder comes only while a VM of the version lives, and a deletion is begun only when none does: since both happen
// under one lock, no holder is overlooked. Thread-safe.
class ImageHolds {
 public:
  using Guard = std::unique_lock<std::mutex>;

  // While the guard lives nothing begins to hold a version.
  Guard guard() { return Guard(mutex_); }
  // Those who hold the version, or any version of the image. Call it under guard().
  std::vector<std::string> holders(const std::string& image_arn, const std::optional<std::string>& version) const;

  // Whether `holder` has come: if `allowed`, called under the lock, says so.
  bool hold(const std::string& holder, const store::VersionKey& version, const std::function<bool()>& allowed);
  void release(const std::string& holder);

 private:
  std::mutex mutex_;
  std::map<std::string, store::VersionKey> held_;  // guarded by mutex_; by holder
};

}  // namespace dormouse::control
