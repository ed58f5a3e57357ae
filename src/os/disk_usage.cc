// SPDX-License-Identifier: Apache-2.0

#include "os/disk_usage.h"

#include <fts.h>
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/scope_exit.h"

namespace dormouse::os {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are (stat(2))
constexpr std::size_t kFilesBetweenChecks = 256;

}  // namespace

Result<std::uint64_t> DiskUsage::of(const std::filesystem::path& path, const Context& context, const Visitor& visit) {
  std::string root = path.string();
  char* const roots[] = {root.data(), nullptr};
  FTS* const tree = ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr);
  if (tree == nullptr) {
    return fail_errno("list " + root);
  }
  const ScopeExit close([&] { ::fts_close(tree); });
  std::uint64_t bytes = 0;
  errno = 0;
  while (const FTSENT* const entry = ::fts_read(tree)) {
    if (++files_ % kFilesBetweenChecks == 0) {
      DM_TRY(context.check("count what is in " + root), "");
    }
    if (files_ > kFilesMax) {
      return fail(ErrorKind::kResourceExhausted, fmt::format("{} has more than {} files", root, kFilesMax));
    }
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR) {
      continue;  // seen before its content; or gone meanwhile
    }
    const struct stat& status = *entry->fts_statp;
    if (status.st_nlink > 1 && !S_ISDIR(status.st_mode) &&
        !seen_.emplace(static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)).second) {
      continue;
    }
    const std::uint64_t own = static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
    bytes += own;
    if (visit) {
      visit(std::filesystem::path(entry->fts_path).lexically_relative(path), own);
    }
    errno = 0;
  }
  if (errno != 0 && errno != ENOENT) {
    return fail_errno("list " + root);
  }
  return bytes;
}

}  // namespace dormouse::os
