// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>

#include "base/error.h"
#include "os/context.h"

namespace dormouse::os {

// Copies the regular file `from` to `to`, which must not exist, keeping holes: shared extents where the file system has
// them (FICLONE), else the data segments alone. The new file has mode 0600 and is not synced; it is removed on failure.
Status copy_sparsely(const std::filesystem::path& from, const std::filesystem::path& to, const Context& context);

}  // namespace dormouse::os
