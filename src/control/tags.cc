// SPDX-License-Identifier: Apache-2.0

#include "control/tags.h"

#include <utility>

#include <fmt/core.h>

namespace dormouse::control {

Answer<void> check_tag_count(const Tags& tags) {
  if (tags.size() > kTagsMax) {
    return refuse(
        ServiceErrorKind::kValidation,
        fmt::format("The resource would have {} tags; at most {} are allowed. Remove some with UntagResource.",
                    tags.size(),
                    kTagsMax));
  }
  return {};
}

Answer<void> apply_change(std::optional<Tags>& tags, const TagChange& change) {
  Tags changed = tags.value_or(Tags());
  for (const auto& [key, value] : change.put) {
    changed[key] = value;
  }
  for (const std::string& key : change.remove) {
    changed.erase(key);
  }
  if (!change.put.empty()) {
    if (auto checked = check_tag_count(changed); !checked) {
      return checked;
    }
  }
  tags = std::move(changed);
  return {};
}

}  // namespace dormouse::control
