// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/error.h"
#include "store/metadata_store.h"

namespace dormouse::store {

class SqliteConnection;

// What MetadataStore::apply() does inside its transaction. kConflict for a condition that does not hold.
Status apply_changes(SqliteConnection& connection, const Changes& changes);

}  // namespace dormouse::store
