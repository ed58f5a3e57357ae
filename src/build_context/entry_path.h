// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "build_context/archive_failure.h"
#include "build_context/limits.h"

namespace dormouse::build_context {

// What the zip calls an entry, as a relative path: components joined by one '/', none of them "." or "..", no '/' at the
// end. Empty for the root itself ("./"). Refuses what is absolute, empty, too long, or has ".." or a backslash.
ArchiveResult<std::string> normalized_path(std::string_view name, const Limits& limits);

// The components of a path or a link's target, without empty ones and ".".
std::vector<std::string_view> components(std::string_view path);

// `name` in double quotes for a sentence: printable ASCII, other bytes as \xNN, cut after 200 bytes.
std::string quoted_name(std::string_view name);

}  // namespace dormouse::build_context
