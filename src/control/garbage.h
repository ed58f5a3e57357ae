// SPDX-License-Identifier: Apache-2.0
//
// What a crash leaves in the data directory: directories that were being made or removed, which no record names. Images and
// builds alone: VMs and checkpoints are found again by what is on disk (host::Host::recover(), Checkpoints::start()).

#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace dormouse::store {
class MetadataStore;
}

namespace dormouse::control {

// What records name.
struct NamedFiles {
  std::map<std::string, std::set<std::string>> versions;  // by image id: those that have a snapshot, or are losing it
  std::set<std::string> builds;                           // whose logs are kept
};

// kResourceExhausted when there are more images than this looks at: then nothing may be taken for garbage.
Result<NamedFiles> read_named_files(const store::MetadataStore& metadata);

// Below images/, builds/ and build-logs/, what `named` does not have. No build may be under way.
Result<std::vector<std::filesystem::path>> find_garbage(const std::filesystem::path& data_directory,
                                                        const NamedFiles& named);

// Removes all of that. To be called at start, before builds and deletions begin. When it ends early, what is left is found
// by the next.
Result<std::size_t> collect_garbage(const std::filesystem::path& data_directory, const store::MetadataStore& metadata);

}  // namespace dormouse::control
