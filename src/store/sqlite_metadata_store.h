// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "store/database.h"
#include "store/metadata_store.h"

namespace dormouse::store {

// The metadata in `database`, which outlives the store.
std::unique_ptr<MetadataStore> make_sqlite_metadata_store(Database& database);

}  // namespace dormouse::store
