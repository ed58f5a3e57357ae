// SPDX-License-Identifier: Apache-2.0
//
// What in a data directory stands on which engine and which managed base: decides what of both may be removed.

#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "snapshot/layout.h"

namespace dormouse::snapshot {

// The directories of all image versions; one may be on its way out, and have no manifest.
Result<std::vector<std::filesystem::path>> snapshots_in(const Layout& layout);

// What a snapshot, a VM or a checkpoint cannot do without, beside its own files.
struct Foundations {
  std::set<std::string> engines;  // by digest
  std::set<std::string> bases;    // by key; of a VM or a checkpoint those of the snapshots it is a difference against
};

// Of the directory of a snapshot, a VM or a checkpoint, as far as it can be read.
Foundations foundations_of(const std::filesystem::path& directory);

// The engines that VMs, checkpoints and snapshots in the data directory name. An error when a record cannot be read: then nobody
// knows.
Result<std::set<std::string>> named_engines(const Layout& layout);

// The managed bases that they name, by key, with the directories of those who do, snapshots first. An error likewise, and when this
// is no data directory: what it was may be elsewhere for now, as when its file system is not mounted.
Result<std::map<std::string, std::vector<std::filesystem::path>>> named_bases(
    const std::filesystem::path& data_directory);

}  // namespace dormouse::snapshot
