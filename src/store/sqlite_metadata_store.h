// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "store/metadata_store.h"

namespace dormouse::store {

// The metadata in one SQLite file (docs/formats/database.md), which is made if it is not there: write-ahead log, synced
// at every commit. One daemon at a time. kConflict for a file of a newer program, kDataLoss for one that is no database.
Result<std::unique_ptr<MetadataStore>> open_sqlite_metadata_store(const std::filesystem::path& path);

}  // namespace dormouse::store
