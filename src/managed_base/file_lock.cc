// SPDX-License-Identifier: Apache-2.0

#include "managed_base/file_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "os/file.h"

namespace dormouse::managed_base {
namespace {
constexpr std::chrono::milliseconds kInterval{100};  // between two tries: flock() itself has no deadline
}

Result<FileLock> FileLock::attempt(const std::filesystem::path& path, int flags, int operation) {
  DM_ASSIGN(UniqueFd file, os::open_file(path, flags, 0600), "");
  if (::flock(file.get(), operation | LOCK_NB) == 0) {
    return FileLock(std::move(file));
  }
  if (errno == EWOULDBLOCK || errno == EINTR) {
    return fail(ErrorKind::kUnavailable, "lock " + path.string() + ": held by another process");
  }
  return fail_errno("flock " + path.string());
}

Result<FileLock> FileLock::wait(const std::filesystem::path& path,
                                int flags,
                                int operation,
                                const os::Context& context) {
  for (;;) {
    Result<FileLock> lock = attempt(path, flags, operation);
    if (lock || lock.error().kind() != ErrorKind::kUnavailable) {
      return lock;
    }
    DM_TRY(context.check("wait for " + path.string()), "");
    pollfd entry{context.cancellation().descriptor(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(std::min(kInterval, context.remaining()).count()));
  }
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const os::Context& context) {
  return wait(path, O_RDWR | O_CREAT, LOCK_EX, context);
}

Result<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  return attempt(path, O_RDWR | O_CREAT, LOCK_EX);
}

Result<FileLock> FileLock::share(const std::filesystem::path& path, const os::Context& context) {
  return wait(path, O_RDONLY, LOCK_SH, context);
}

Result<FileLock> FileLock::try_acquire_existing(const std::filesystem::path& path) {
  return attempt(path, O_RDONLY, LOCK_EX);
}

bool FileLock::is_of(const std::filesystem::path& path) const {
  struct stat locked{};
  struct stat named{};
  return ::fstat(file_.get(), &locked) == 0 && ::stat(path.c_str(), &named) == 0 && locked.st_dev == named.st_dev &&
         locked.st_ino == named.st_ino;
}

}  // namespace dormouse::managed_base
