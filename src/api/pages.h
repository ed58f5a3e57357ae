// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/handlers.h"
#include "api/input.h"
#include "control/images.h"

namespace dormouse::api {

// What a service calls the members that page.
struct PageWords {
  const char* token = "nextToken";  // of the input
  const char* limit = "maxResults";
  const char* items = "items";  // of the answer
  const char* next = "nextToken";
};

// One page of a listing: asks `list(limit, after)` for control::Page, keeps the items that `keep` wants (after paging, as
// the service filters: a page may be empty while more follow) and turns them into members with `convert`.
template <typename List, typename Keep, typename Convert>
control::Answer<boost::json::object> answer_page(
    Backend& backend, const Call& call, List list, Keep keep, Convert convert, const PageWords& words = {}) {
  const std::string scope = page_scope(call.account, call.operation.name, call.input);
  std::optional<std::string> after;
  if (const auto token = optional_text(call.input, words.token)) {
    after = backend.pages.open(scope, *token);
    if (!after) {
      return control::refuse(control::ServiceErrorKind::kValidation,
                             fmt::format("The {} is invalid or has expired; list again without it", words.token));
    }
  }
  const int limit = optional_number(call.input, words.limit).value_or(50);
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
  answer[words.items] = std::move(items);
  if (page->next) {
    answer[words.next] = backend.pages.issue(scope, *page->next);
  }
  return answer;
}

}  // namespace dormouse::api
