// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/error.h"
#include "host/host.h"
#include "host/layout.h"

namespace dormouse::host {

// The engines that VMs, checkpoints and snapshots in the data directory name. In this order, so that none is missed of what is
// made from another meanwhile: a checkpoint of a VM, a VM of a checkpoint whose snapshot is still there. An error when a record
// cannot be read: then nobody knows.
Result<std::set<std::string>> named_engines(const Layout& layout);

// Of one of these directories: Host::foundations().
Foundations foundations_of(const std::filesystem::path& directory);

}  // namespace dormouse::host
