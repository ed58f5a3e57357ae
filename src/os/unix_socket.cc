// SPDX-License-Identifier: Apache-2.0

#include "os/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <string>

#include "os/file.h"

namespace dormouse::os {

Result<UnixAddress> unix_address(const std::filesystem::path& path) {
  UnixAddress result;
  DM_ASSIGN(result.directory, open_file(path.parent_path(), O_PATH | O_DIRECTORY), "");
  const std::string name = "/proc/self/fd/" + std::to_string(result.directory.get()) + "/" + path.filename().string();
  if (name.size() >= sizeof result.address.sun_path) {
    return fail(ErrorKind::kInvalidArgument,
                "socket " + path.string() + ": the name is longer than " +
                    std::to_string(sizeof result.address.sun_path - 1) + " bytes");
  }
  result.address.sun_family = AF_UNIX;
  name.copy(result.address.sun_path, sizeof result.address.sun_path - 1);
  return result;
}

}  // namespace dormouse::os
