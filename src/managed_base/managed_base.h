// SPDX-License-Identifier: Apache-2.0
//
// The managed base image: what guests boot from, made on this machine from Debian packages and kept in a cache that
// several daemons share. docs/formats/managed-base.md describes the directory.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "managed_base/file_lock.h"
#include "os/context.h"

namespace dormouse::managed_base {

// One complete base. Its files never change, so any number of guests may have them open.
struct ManagedBase {
  std::string key;                  // 64 hexadecimal digits
  std::filesystem::path directory;  // named by the key
  std::filesystem::path kernel;
  std::filesystem::path root;          // ext4: root file system of application guests
  std::filesystem::path builder_root;  // ext4: the same with buildah
  std::filesystem::path containers;    // ext4: containers/storage with the container base images
  std::filesystem::path modules;       // directory: kernel modules, and `order`, their names in order of loading
  std::string recipe;  // digest of the recipe and the kernel given: equal means interchangeable but for age
  std::map<std::string, std::string> versions;  // of the Debian packages that matter, as far as known
  std::optional<std::string> own_kernel;        // the path that was given with BuildOptions::kernel
  WallTime created_at;
  std::uint64_t size_bytes = 0;          // on disk
  std::string notice;                    // why ensure() chose this one although it may be out of date; else empty
  bool users_known = false;              // made since daemons register; who uses an older one may not be known
  std::shared_ptr<const FileLock> hold;  // of one that ensure() answered: nobody removes it while a copy of this lives
};

// Whether somebody needs a base.
struct BaseUse {
  ManagedBase base;
  std::vector<std::filesystem::path> named_by;  // snapshots, VMs and checkpoints in data directories that name it
  bool held = false;              // by a process: a daemon that builds with it, a command that has just asked for it
  bool newest = false;            // of its recipe: what ensure() answers, if need be
  bool young = false;             // somebody may have made it to use it soon
  std::optional<FileLock> alone;  // when it is not held: nobody holds it while this lives

  bool in_use() const { return held || !named_by.empty(); }
  bool to_be_kept() const { return in_use() || newest || young || !base.users_known; }
};

struct BuildOptions {
  std::optional<std::filesystem::path> kernel;  // a bzImage of the user's in place of Debian's
  std::optional<std::string> mirror;            // URI of a Debian archive in place of those that APT is configured with
  bool accept_outdated = true;                  // when making a new base fails, an older one of the same recipe will do
};

// Called from the thread that runs ensure(); not called at all when the base exists.
class ProgressObserver {
 public:
  virtual ~ProgressObserver() = default;
  // Step `number` of `count` (from 1) begins.
  virtual void step(std::string_view sentence, int number, int count) = 0;
  virtual void log(std::string_view line) = 0;  // what the step prints, line by line, without newline
};

// The cache directory. Any number of objects and processes may use one at a time: one makes a base, the others wait for it.
// A base appears under its name complete and durable, or not at all, and goes likewise. Needs root. Thread-safe.
//
// No base goes that somebody uses or begins to use. Who removes bases has CACHE/lock and Users::lock() from before he looks until he
// is done, and takes each base's own lock, alone, before he asks the data directories what they name. So, of any base:
//   - A build uses what ensure() answered, which is held from before that until after the build's snapshot is published or given up;
//     nothing else ever makes a snapshot that names a base. Held when its lock was wanted: it stays. Not held then: nobody begins to
//     hold it any more (ensure() waits, and then makes another), and whatever names it was there before the directories were asked.
//   - A launch, a wake, a clone, a fork and a rollback use what a snapshot in their data directory names, from before they begin until
//     they end; what they make names the same. The directory was registered before its daemon did any of this, so it is asked, or it
//     waits for Users::lock() with everything.
class ManagedBaseStore {
 public:
  static constexpr std::chrono::hours kYoung{24};

  // What in a data directory names which bases, by key. An error when it cannot be known.
  using Named = std::function<Result<std::map<std::string, std::vector<std::filesystem::path>>>(
      const std::filesystem::path& data_directory)>;

  explicit ManagedBaseStore(std::filesystem::path cache_directory = "/var/cache/dormouse",
                            const Clock* clock = nullptr);

  // The base that fits the recipe, the options and the package versions that APT knows of; makes it if need be, which
  // takes a minute or two and 800 MB. A base does not depend on the agent. When APT's lists cannot be read, the newest base
  // of the same recipe is taken, with a notice. kInvalidArgument: the kernel is no kernel. kUnavailable: a program that
  // making a base needs is missing, or packages cannot be had. kCancelled, kDeadlineExceeded.
  Result<ManagedBase> ensure(const BuildOptions& options, ProgressObserver& observer, const os::Context& context);

  // The base with this key; kNotFound.
  Result<ManagedBase> find(std::string_view key) const;

  // All complete bases, newest first.
  Result<std::vector<ManagedBase>> list() const;

  // The newest complete base of the recipe and with the kernel that `options` ask for, whatever its packages' versions: what ensure()
  // finds unless APT knows of others by now. Nothing if there is none. Cheap.
  Result<std::optional<ManagedBase>> newest(const BuildOptions& options) const;

  // Makes this data directory one that is asked what it names, for good: before its daemon uses any base. The path is canonical. The
  // answer says that the daemon runs; durable.
  Result<FileLock> register_user(const std::filesystem::path& data_directory, const os::Context& context) const;

  // All complete bases, newest first, and who needs them: as it is now, or may just have been.
  Result<std::vector<BaseUse>> uses(const Named& named) const;

  // Removes what interrupted work has left and every base that is not to_be_kept(), and returns those. Guests that have one open are
  // not disturbed. Does nothing while somebody makes or removes a base. An error, and all stay, when one data directory fails.
  Result<std::vector<ManagedBase>> collect(const Named& named, const os::Context& context) const;

  // Removes a base that is not in_use(), however new it is. kConflict says what uses it; kNotFound, kUnavailable.
  Status remove(std::string_view key, const Named& named, const os::Context& context) const;

  // An initramfs that holds `agent_binary` as /init and the base's modules under /modules. Kept beside the base by the
  // agent's digest. kInvalidArgument when the agent is not a static executable of this architecture.
  Result<std::filesystem::path> initramfs(const ManagedBase& base, const std::filesystem::path& agent_binary) const;

  // An empty ext4 file system without journal, `size_bytes` long and sparse, made once per size: to be copied with
  // os::copy_sparsely(), never written to. At least 16 MiB, a multiple of 4096.
  Result<std::filesystem::path> blank_disk(std::uint64_t size_bytes, const os::Context& context) const;

 private:
  struct Wanted;
  Result<Wanted> determine(const BuildOptions& options, const os::Context& context) const;
  Result<ManagedBase> find_or_make(const BuildOptions& options, ProgressObserver& observer, const os::Context& context);
  Result<ManagedBase> make(const Wanted& wanted, ProgressObserver& observer, const os::Context& context) const;
  Result<std::optional<ManagedBase>> newest_of(const std::string& recipe) const;
  Result<std::vector<BaseUse>> look() const;
  Status ask(std::vector<BaseUse>& uses, const Named& named) const;
  Status hold(ManagedBase& base, const os::Context& context) const;
  Status remove(const ManagedBase& base) const;
  Status remove_unfinished() const;  // to be called by who has CACHE/lock
  std::filesystem::path unfinished_path(std::string_view key) const;

  std::filesystem::path cache_directory_;
  SystemClock system_clock_;
  const Clock* clock_;
};

}  // namespace dormouse::managed_base
