// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "managed_base/managed_base.h"

namespace dormouse::managed_base {

// base.json of docs/formats/managed-base.md, format version 1.
std::string write_manifest(const ManagedBase& base);

// Fills all but `directory`, the paths and the size. kDataLoss when it is not such a file or of another format version.
Result<ManagedBase> parse_manifest(std::string_view json);

}  // namespace dormouse::managed_base
