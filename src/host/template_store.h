// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "host/known_checksums.h"
#include "managed_base/managed_base.h"
#include "snapshot/manifest.h"
#include "vmm/vmm.h"

namespace dormouse::host {

// A snapshot opened for cloning: its files and those of the managed base it stands on, read-only. What is open stays
// usable when the snapshot or the base is removed.
struct Template {
  snapshot::SnapshotManifest manifest;
  UniqueFd memory;
  UniqueFd state;
  UniqueFd disk;
  UniqueFd root;
  UniqueFd containers;

  // The guest's disks, the application's with `overlay` over it. In the order of manifest.model.disks.
  Result<std::vector<vmm::DiskFiles>> disks(UniqueFd overlay) const;
  // A new open file description of the device state, at its beginning: loading it moves the offset.
  Result<UniqueFd> open_state() const;
};

// Opens templates, verified to the last byte, and shares them between the VMs that use them. The disks of the managed bases, which
// many templates share, are verified once. Thread-safe.
class TemplateStore {
 public:
  explicit TemplateStore(const managed_base::ManagedBaseStore& bases) : bases_(bases) {}

  // kNotFound; kDataLoss when a file does not verify.
  Result<std::shared_ptr<const Template>> open(const std::filesystem::path& directory);

  // The snapshot is removed: nobody opens it any more.
  void forget(const std::filesystem::path& directory);

  // Of the disks of managed bases; for those who record them.
  KnownChecksums& base_checksums() { return base_checksums_; }

 private:
  struct Slot {
    std::mutex loading;                    // held while it is loaded: who else wants it waits, and nobody but them
    std::weak_ptr<const Template> loaded;  // guarded by `loading`
  };
  Result<std::shared_ptr<const Template>> load(const std::filesystem::path& directory);

  const managed_base::ManagedBaseStore& bases_;
  KnownChecksums base_checksums_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Slot>> slots_;  // guarded by mutex_; by directory
};

Result<UniqueFd> duplicate(const UniqueFd& fd);

}  // namespace dormouse::host
