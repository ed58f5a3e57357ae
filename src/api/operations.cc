// SPDX-License-Identifier: Apache-2.0

#include "api/operations.h"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "api/uri.h"
#include "control/quotas.h"

namespace dormouse::api {
namespace {

bool is_label(std::string_view segment) { return segment.starts_with('{'); }

bool matches(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) {
    return false;
  }
  for (std::size_t index = 0; index < path.size(); ++index) {
    if (is_label(pattern[index]) ? path[index].empty() : pattern[index] != path[index]) {
      return false;
    }
  }
  return true;
}

std::vector<const Operation*> pointers_to(std::initializer_list<std::span<const Operation>> tables) {
  std::vector<const Operation*> all;
  for (const auto& table : tables) {
    for (const Operation& operation : table) {
      all.push_back(&operation);
    }
  }
  return all;
}

}  // namespace

const std::vector<const Operation*>& all_operations() {
  static const std::vector<const Operation*> operations = pointers_to({image_operations(),
                                                                       microvm_operations(),
                                                                       network_connector_operations(),
                                                                       tag_operations(),
                                                                       extension_operations(),
                                                                       account_operations()});
  return operations;
}

const std::vector<const Operation*>& query_operations() {
  static const std::vector<const Operation*> operations = pointers_to({identity_operations()});
  return operations;
}

std::optional<std::string> why_no_operation(std::string_view quota) {
  const auto operation = control::operation_of_quota(quota);
  const auto is_named = [&](const Operation& each) { return each.name == *operation; };
  const auto points_to_it = [&](const Operation* each) { return is_named(*each); };
  if (!operation || std::ranges::any_of(all_operations(), points_to_it) ||
      std::ranges::any_of(query_operations(), points_to_it) || std::ranges::any_of(log_operations(), is_named)) {
    return std::nullopt;
  }
  return fmt::format("'{}': there is no operation of that name; an example is rate:RunMicrovm", quota);
}

tl::expected<Route, Refusal> route(std::string_view method, std::string_view raw_path) {
  const std::vector<std::string_view> path = split(raw_path, '/');
  std::string methods;
  for (const Operation* operation : all_operations()) {
    const std::vector<std::string_view> pattern = split(operation->uri, '/');
    if (!matches(pattern, path)) {
      continue;
    }
    if (operation->method != method) {
      methods += methods.empty() ? "" : ", ";
      methods += operation->method;
      continue;
    }
    Route found{operation, {}};
    for (std::size_t index = 0; index < path.size(); ++index) {
      if (!is_label(pattern[index])) {
        continue;
      }
      auto value = decode_label(path[index]);
      if (!value) {
        return deny(validation(fmt::format("The path segment '{}' is not percent-encoded UTF-8", path[index])));
      }
      found.labels.emplace_back(pattern[index].substr(1, pattern[index].size() - 2), *std::move(value));
    }
    return found;
  }
  const std::string message =
      methods.empty()
          ? fmt::format("No operation has the path '{}'. A slash inside an identifier must be sent as %2F.", raw_path)
          : fmt::format("The path '{}' takes {}, not {}", raw_path, methods, method);
  return deny(refusal(404, "UnknownOperationException", message));
}

}  // namespace dormouse::api
