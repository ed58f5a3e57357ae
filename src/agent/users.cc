// SPDX-License-Identifier: Apache-2.0

#include "agent/users.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dormouse::agent {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint32_t> to_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || id > 0x7FFFFFFF) {
    return std::nullopt;
  }
  return id;
}

struct User {
  std::string_view name;
  UserIds ids;
};

// The entry of passwd(5) with this name, or else with this number.
std::optional<User> find_user(std::string_view wanted, std::string_view passwd) {
  const auto number = to_id(wanted);
  std::optional<User> by_number;
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 6 || fields[0].empty()) {
      continue;
    }
    const auto uid = to_id(fields[2]);
    const auto gid = to_id(fields[3]);
    if (!uid || !gid) {
      continue;
    }
    User user{fields[0], UserIds{*uid, *gid, {}, std::string(fields[5])}};
    if (fields[0] == wanted) {
      return user;
    }
    if (!by_number && number == uid) {
      by_number = std::move(user);
    }
  }
  return by_number;
}

std::optional<std::uint32_t> find_group(std::string_view wanted, std::string_view group) {
  for (const std::string_view line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() >= 3 && fields[0] == wanted) {
      return to_id(fields[2]);
    }
  }
  return to_id(wanted);
}

std::vector<std::uint32_t> groups_of(std::string_view user, std::string_view group) {
  std::vector<std::uint32_t> ids;
  for (const std::string_view line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) {
      continue;
    }
    const auto id = to_id(fields[2]);
    for (const std::string_view member : split(fields[3], ',')) {
      if (id && member == user) {
        ids.push_back(*id);
        break;
      }
    }
  }
  return ids;
}

}  // namespace

Answered<UserIds> resolve_user(std::string_view spec, std::string_view passwd, std::string_view group) {
  const std::size_t colon = spec.find(':');
  const std::string_view wanted = spec.empty() || colon == 0 ? "0" : spec.substr(0, colon);
  const std::string_view wanted_group = colon == spec.npos ? "" : spec.substr(colon + 1);

  UserIds ids;
  if (const auto user = find_user(wanted, passwd)) {
    ids = user->ids;
    if (wanted_group.empty()) {
      ids.additional_gids = groups_of(user->name, group);
    }
  } else if (const auto uid = to_id(wanted)) {
    ids.uid = *uid;
    ids.home = *uid == 0 ? "/root" : "/";
  } else {
    return refuse(ErrorKind::kInvalidArgument,
                  "no_such_user",
                  "USER " + std::string(spec) + ": the image's /etc/passwd has no user \"" + std::string(wanted) +
                      "\"; add it with a RUN instruction or use its number");
  }
  if (!wanted_group.empty()) {
    const auto gid = find_group(wanted_group, group);
    if (!gid) {
      return refuse(ErrorKind::kInvalidArgument,
                    "no_such_group",
                    "USER " + std::string(spec) + ": the image's /etc/group has no group \"" +
                        std::string(wanted_group) + "\"; add it with a RUN instruction or use its number");
    }
    ids.gid = *gid;
  }
  // The main group is among the others too, as initgroups(3) has it: else what keeps a group out (mode 0707) would not.
  if (std::find(ids.additional_gids.begin(), ids.additional_gids.end(), ids.gid) == ids.additional_gids.end()) {
    ids.additional_gids.insert(ids.additional_gids.begin(), ids.gid);
  }
  return ids;
}

}  // namespace dormouse::agent
