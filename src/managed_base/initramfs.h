// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>

#include "base/error.h"

namespace dormouse::managed_base {

// Writes the initramfs that starts the agent into the new file `target`: /init, /dev/console, /modules/order and the
// modules it names, as an uncompressed cpio archive (format "newc"), because unpacking is slow in an emulated guest. The
// same input gives the same bytes. kInvalidArgument when `agent_binary` cannot run as a guest's first program.
Status write_initramfs(const std::filesystem::path& modules,
                       const std::filesystem::path& agent_binary,
                       const std::filesystem::path& target);

}  // namespace dormouse::managed_base
