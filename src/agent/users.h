// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/refuse.h"

namespace dormouse::agent {

struct UserIds {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;  // gid among them
  std::string home = "/";

  bool operator==(const UserIds&) const = default;
};

// What an image's User ("", "name", "uid", "name:group", "uid:gid"...) means, by the contents of the image's /etc/passwd and
// /etc/group; the rules are Docker's: a number need not be listed, and supplementary groups come with a user whose
// group is not named. Refused with code "no_such_user" or "no_such_group".
Answered<UserIds> resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

}  // namespace dormouse::agent
