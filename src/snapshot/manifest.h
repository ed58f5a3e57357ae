// SPDX-License-Identifier: Apache-2.0
//
// The manifests of what Dormouse keeps on disk. Each is sealed JSON with a format version of its own; publishing it, by one
// rename after everything it names is durable, is what makes the thing exist (docs/formats/).

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "os/host_facts.h"
#include "snapshot/sealed_json.h"
#include "vmm/machine.h"

namespace dormouse::snapshot {

// A directory "snapshot": what a launch clones.
//     manifest.json  memory (sparse)  state  disk (raw)
struct SnapshotManifest {
  static constexpr Formats kFormats{2, 3};  // 2: without an engine, machine type, processor and guest

  std::string engine;        // digest of the one that it was made with, and is loaded by; empty: of format 2
  std::string qemu_version;  // that engine's
  std::string machine_type;  // vmm::kMachineType of the version that made it
  vmm::MachineModel model;
  os::ProcessorFacts processor;  // the host's, of which the guest saw the features; under TCG of no matter, and empty
  std::string base_key;          // of the managed base whose root and containers disks the guest has
  std::string kernel_sha256;     // of the guest's kernel, which is in its memory
  std::uint64_t agent_protocol = 1;  // that the guest's agent speaks
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
  // Where the application has its hooks, if it has the run hook. None where an older version made it.
  std::optional<std::uint16_t> run_hook_port;
};

inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kMemoryFile[] = "memory";
inline constexpr char kStateFile[] = "state";
inline constexpr char kDiskFile[] = "disk";

std::string encode(const SnapshotManifest& manifest);
Result<SnapshotManifest> decode_snapshot(const std::string& text);
Result<SnapshotManifest> read_snapshot(const std::filesystem::path& directory);

// What a host and this version of Dormouse offer to snapshots.
struct Platform {
  vmm::Acceleration acceleration = vmm::Acceleration::kTcg;
  std::uint64_t tsc_khz = 0;  // a guest under TCG counts the host's: it must be the same within 0.1 %
  os::ProcessorFacts processor;
  struct {
    std::uint64_t oldest = 0;
    std::uint64_t newest = 0;
  } agent_protocols;  // that this version speaks to the agents frozen in snapshots; new ones speak the newest
};

// Why a snapshot cannot run here, its engine aside; success if it can.
Status check_fits(const SnapshotManifest& manifest, const Platform& platform);

}  // namespace dormouse::snapshot
