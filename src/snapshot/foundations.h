// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/error.h"
#include "snapshot/layout.h"

namespace dormouse::snapshot {

// What a snapshot, a VM or a checkpoint cannot do without, beside its own files.
struct Foundations {
  std::set<std::string> engines;  // by digest
  std::string base;               // key of the managed base; empty: that of the snapshot it is a difference against
};

// The engines that VMs, checkpoints and snapshots in the data directory name. In this order, so that none is missed of what is
// made from another meanwhile: a checkpoint of a VM, a VM of a checkpoint whose snapshot is still there. An error when a record
// cannot be read: then nobody knows.
Result<std::set<std::string>> named_engines(const Layout& layout);

// Of one of these directories: Host::foundations().
Foundations foundations_of(const std::filesystem::path& directory);

}  // namespace dormouse::snapshot
