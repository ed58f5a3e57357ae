// SPDX-License-Identifier: Apache-2.0
//
// The files that are made once from a base and kept in the cache: initramfs and blank disks.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hashing/digest.h"
#include "managed_base/file_lock.h"
#include "managed_base/initramfs.h"
#include "managed_base/managed_base.h"
#include "os/command.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kInitramfsKept = 8;  // agents change often while they are worked on
// The digits in the names "boot1-" and "blank1-" count versions of what the files hold.
constexpr std::uint64_t kBlankBytesMin = 16U << 20U;
constexpr std::uint64_t kBlockBytes = 4096;

// Puts `partial`, complete, under its name for good.
Status publish(const fs::path& partial, const fs::path& target) {
  DM_TRY(os::sync_file(partial), "");
  return os::rename_durably(partial, target);
}

// Removes all but the newest files of `directory`. What is open stays usable.
void prune(const fs::path& directory, const fs::path& keep) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".cpio" && entry->path() != keep) {
      std::error_code unknown;
      files.emplace_back(entry->last_write_time(unknown), entry->path());
    }
  }
  std::sort(files.rbegin(), files.rend());
  for (std::size_t i = kInitramfsKept; i < files.size(); ++i) {
    fs::remove(files[i].second, error);
  }
}

}  // namespace

Result<fs::path> ManagedBaseStore::initramfs(const ManagedBase& base, const fs::path& agent_binary) const {
  DM_ASSIGN(const std::string agent, hashing::digest_of_file(agent_binary), "initramfs");
  const fs::path directory = cache_directory_ / "initramfs";
  const fs::path target = directory / ("boot1-" + base.key.substr(0, 16) + "-" + agent.substr(0, 16) + ".cpio");
  if (fs::exists(target)) {
    return target;
  }
  DM_TRY(os::make_directories(directory, 0755), "initramfs");
  const os::Context context = os::Context::with_timeout(std::chrono::minutes(1));
  DM_ASSIGN(const FileLock lock, FileLock::acquire(directory / "lock", context), "initramfs");
  if (fs::exists(target)) {
    return target;
  }
  const fs::path partial = directory / "partial";  // one at a time, because of the lock
  DM_TRY(write_initramfs(base.modules, agent_binary, partial), "initramfs");
  DM_TRY(publish(partial, target), "initramfs");
  prune(directory, target);
  return target;
}

Result<fs::path> ManagedBaseStore::blank_disk(std::uint64_t size_bytes, const os::Context& context) const {
  const std::string doing = "blank disk of " + std::to_string(size_bytes) + " bytes";
  if (size_bytes < kBlankBytesMin || size_bytes % kBlockBytes != 0) {
    return fail(ErrorKind::kInvalidArgument, doing + ": must be a multiple of 4096 and at least 16777216");
  }
  const fs::path directory = cache_directory_ / "disks";
  const fs::path target = directory / ("blank1-" + std::to_string(size_bytes) + ".ext4");
  if (fs::exists(target)) {
    return target;
  }
  DM_TRY(os::make_directories(directory, 0755), doing);
  DM_ASSIGN(const FileLock lock, FileLock::acquire(directory / "lock", context), doing);
  if (fs::exists(target)) {
    return target;
  }
  const fs::path partial = directory / "partial";
  DM_TRY(os::remove_tree(partial), doing);
  // The file is all holes, which read as zeros: with assume_storage_prezeroed neither mke2fs nor, later, the guest's kernel
  // writes the inode tables.
  const os::Command command{{"/sbin/mke2fs",
                             "-q",
                             "-t",
                             "ext4",
                             "-b",
                             std::to_string(kBlockBytes),
                             "-m",
                             "0",
                             "-O",
                             "^has_journal,^resize_inode",
                             "-E",
                             "assume_storage_prezeroed=1,nodiscard,root_owner=0:0,hash_seed=" +
                                 std::string("646f726d-6f75-7365-a000-000000000002"),
                             "-U",
                             "646f726d-6f75-7365-a000-000000000001",
                             "-L",
                             "application",
                             partial.string(),
                             std::to_string(size_bytes / kBlockBytes)},
                            {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}};
  DM_ASSIGN(const std::string output, os::run_for_output(command, 65536, context), doing);
  DM_TRY(publish(partial, target), doing);
  return target;
}

}  // namespace dormouse::managed_base
