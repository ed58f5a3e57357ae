// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/error.h"

namespace dormouse::store {

class SqliteConnection;

// Brings the database up to the schema of this program, step by step, each in one transaction (docs/formats/database.md).
// kConflict when the database was made by a newer program.
Status migrate(SqliteConnection& connection);

// The version that migrate() leads to.
int schema_version();

}  // namespace dormouse::store
