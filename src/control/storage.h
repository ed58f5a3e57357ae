// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/disk_budget.h"
#include "os/context.h"

namespace dormouse::control {

class World;
class Checkpoints;

// One thing that holds space: an image version, a VM, a checkpoint, a bucket, ...
struct StorageItem {
  std::string kind;     // one of kStorageKinds
  std::string id;       // "demo:2.0", "microvm-...", the name of a file: what the user can do something about
  std::string account;  // whose it is; empty: nobody's alone
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> parts;  // "memory", "disk", "overlay", ...
  std::vector<std::string> held_by;            // what must go before it can: VMs, checkpoints, versions ("demo:2.0")
  bool named = true;                           // some record names it; else the next start collects it
};

struct StorageKind {
  std::uint64_t bytes = 0;
  std::size_t items = 0;
};

struct StorageReport {
  static constexpr std::size_t kItemsMax = 1000;

  std::map<std::string, StorageKind> kinds;  // every kind, also those that hold nothing
  std::vector<StorageItem> items;            // largest first
  std::size_t items_left_out = 0;            // beyond kItemsMax
  std::uint64_t data_bytes = 0;              // all of the data directory
  DiskRoom room;
};

// Of what lies in the data directory under this name.
const char* storage_kind_of(std::string_view name);
// What the data directory holds, by kind.
Result<DiskBudget::Bytes> count_by_kind(const std::filesystem::path& data_directory, const os::Context& context);

// The kinds. All lie in the data directory but the bases, which daemons share.
inline constexpr const char* kStorageKinds[] = {
    "image",       // snapshots of versions
    "microvm",     // overlays, and what they are while they sleep
    "checkpoint",  // also the states of forks under way
    "artifact",    // buckets
    "log",         // what VMs and builds printed
    "build",       // working directories of builds under way
    "warm",        // clones made ahead
    "engine",      // kept engines
    "record",      // metadata
    "other",       // keys, sockets, what is not ours
    "base",        // managed bases in the cache directory
};

// Says what holds how much of the disk.
//
// It counts allocated blocks (os/disk_usage.h), file by file, without a lock that anything else takes, and asks the metadata
// store as any client does. Thread-safe; a call blocks on the disk until its context ends.
class Storage {
 public:
  struct Bucket {
    std::string account;
    std::string name;
    std::uint64_t bytes = 0;
    std::size_t objects = 0;
  };
  struct Parts {
    World& world;
    const Checkpoints& checkpoints;
    std::filesystem::path cache_directory;
    std::function<Result<std::vector<Bucket>>()> buckets;
    const DiskBudget& budget;
  };
  explicit Storage(Parts parts) : parts_(std::move(parts)) {}

  Result<StorageReport> report(const os::Context& context) const;

 private:
  const Parts parts_;
};

}  // namespace dormouse::control
