// SPDX-License-Identifier: Apache-2.0
//
// The manifests of what Dormouse keeps on disk. Each is sealed JSON with a format version of its own; publishing it, by one
// rename after everything it names is durable, is what makes the thing exist (docs/formats/).

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "vmm/machine.h"

namespace dormouse::snapshot {

// A directory "snapshot": what a launch clones.
//     manifest.json  memory (sparse)  state  disk (raw)
struct SnapshotManifest {
  static constexpr int kFormat = 2;

  vmm::MachineModel model;
  std::string base_key;      // of the managed base whose root and containers disks the guest has
  std::string qemu_version;  // a device state is loaded by the version that wrote it
  bool all_capabilities = false;
  std::uint64_t memory_bytes = 0;  // allocated
  std::uint64_t state_bytes = 0;
  std::uint64_t disk_bytes = 0;  // allocated
  struct Checksums {             // checksum_of()
    std::uint64_t memory = 0;
    std::uint64_t state = 0;
    std::uint64_t disk = 0;
    std::uint64_t root = 0;        // the managed base's
    std::uint64_t containers = 0;  // the managed base's
  } checksums;
  std::uint64_t output_bytes = 0;  // that the application had written; 0 where an older version made it
};

inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kMemoryFile[] = "memory";
inline constexpr char kStateFile[] = "state";
inline constexpr char kDiskFile[] = "disk";

std::string encode(const SnapshotManifest& manifest);
Result<SnapshotManifest> decode_snapshot(const std::string& text);
Result<SnapshotManifest> read_snapshot(const std::filesystem::path& directory);

// Why a snapshot cannot run on this host; success if it can. `tsc_khz` is the host's rate: a guest under TCG counts the
// host's, so it must be the same within 0.1 %.
Status check_fits(const SnapshotManifest& manifest,
                  vmm::Acceleration acceleration,
                  const std::string& qemu_version,
                  std::uint64_t tsc_khz);

}  // namespace dormouse::snapshot
