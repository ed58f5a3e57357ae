// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>

#include "control/records.h"
#include "control/service_error.h"

namespace dormouse::control {

inline constexpr std::size_t kTagsMax = 50;  // of one resource, as everywhere at AWS

Answer<void> check_tag_count(const Tags& tags);

// Puts and removes; a key that is not there is removed without complaint. On refusal `tags` is as before.
Answer<void> apply_change(std::optional<Tags>& tags, const TagChange& change);

}  // namespace dormouse::control
