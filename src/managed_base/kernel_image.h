// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <string_view>

#include "base/error.h"

namespace dormouse::managed_base {

// Whether this file is a kernel that guests can boot with: a kernel image of this architecture, and, where the image says its version
// (a bzImage does, arm64's Image does not), 5.18 or newer: the one whose random generator, new then, is reseeded at once, without a
// getrandom() that stands still in a clone. kInvalidArgument says what is wrong.
Status check_kernel(const std::filesystem::path& path);

// The same of the version as a kernel says it, "6.1.0-13-amd64 (debian-kernel@lists.debian.org) ...".
Status check_kernel_version(std::string_view version);

}  // namespace dormouse::managed_base
