// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <utility>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "control/images.h"

namespace dormouse::api {

// One page of a listing: asks `list(limit, after)` for control::Page, keeps the items that `keep` wants (after paging, as
// the service filters: a page may be empty while more follow) and turns them into members with `convert`.
template <typename List, typename Keep, typename Convert>
control::Answer<boost::json::object> answer_page(
    Backend& backend, const Call& call, List list, Keep keep, Convert convert) {
  const std::string scope = call.account + '\n' + std::string(call.operation.name) + '\n' + filter_scope(call.input);
  std::optional<std::string> after;
  if (const auto token = optional_text(call.input, "nextToken")) {
    after = backend.pages.open(scope, *token);
    if (!after) {
      return control::refuse(control::ServiceErrorKind::kValidation,
                             "The nextToken is invalid or has expired; list again without it");
    }
  }
  const int limit = optional_number(call.input, "maxResults").value_or(50);
  auto page = list(static_cast<std::size_t>(limit), after);
  if (!page) {
    return tl::unexpected(std::move(page).error());
  }
  boost::json::array items;
  for (const auto& item : page->items) {
    if (keep(item)) {
      items.push_back(convert(item));
    }
  }
  boost::json::object answer;
  answer["items"] = std::move(items);
  if (page->next) {
    answer["nextToken"] = backend.pages.issue(scope, *page->next);
  }
  return answer;
}

}  // namespace dormouse::api
