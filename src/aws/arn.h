// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dormouse::aws {

// "arn:partition:service:region:account:resource". Only the resource may hold colons; region and account may be empty.
struct Arn {
  std::string partition;
  std::string service;
  std::string region;
  std::string account;
  std::string resource;

  bool operator==(const Arn&) const = default;
};

std::optional<Arn> parse_arn(std::string_view text);
std::string to_string(const Arn& arn);

}  // namespace dormouse::aws
