// SPDX-License-Identifier: Apache-2.0

#include "managed_base/file_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "os/file.h"

namespace dormouse::managed_base {
namespace {
constexpr std::chrono::milliseconds kInterval{100};  // between two tries: flock() itself has no deadline
}

Result<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  DM_ASSIGN(UniqueFd file, os::open_file(path, O_RDWR | O_CREAT, 0600), "");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
    return FileLock(std::move(file));
  }
  if (errno == EWOULDBLOCK || errno == EINTR) {
    return fail(ErrorKind::kUnavailable, "lock " + path.string() + ": held by another process");
  }
  return fail_errno("flock " + path.string());
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const os::Context& context) {
  for (;;) {
    Result<FileLock> lock = try_acquire(path);
    if (lock || lock.error().kind() != ErrorKind::kUnavailable) {
      return lock;
    }
    DM_TRY(context.check("wait for " + path.string()), "");
    pollfd entry{context.cancellation().descriptor(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(std::min(kInterval, context.remaining()).count()));
  }
}

}  // namespace dormouse::managed_base
