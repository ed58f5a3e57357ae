// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::os {

// The address of a Unix socket at any path: sun_path holds 107 bytes, so the path goes through a descriptor of its directory.
// Valid while this object lives.
struct UnixAddress {
  UniqueFd directory;
  sockaddr_un address{};

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// The directory must exist. kInvalidArgument when the last component alone is too long.
Result<UnixAddress> unix_address(const std::filesystem::path& path);

}  // namespace dormouse::os
