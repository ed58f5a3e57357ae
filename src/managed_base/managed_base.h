// SPDX-License-Identifier: Apache-2.0
//
// The managed base image: what guests boot from, made on this machine from Debian packages and kept in a cache that
// several daemons share. docs/formats/managed-base.md describes the directory.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
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
  std::uint64_t size_bytes = 0;  // on disk
  std::string notice;            // why ensure() chose this one although it may be out of date; else empty
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
// A base appears under its name complete and durable, or not at all. Needs root. Thread-safe.
class ManagedBaseStore {
 public:
  explicit ManagedBaseStore(std::filesystem::path cache_directory = "/var/cache/dormouse",
                            const Clock* clock = nullptr);

  // The base that fits the recipe, the options and the package versions that APT knows of; makes it if need be, which
  // takes a minute or two and 700 MB. A base does not depend on the agent. When APT's lists cannot be read, the newest base
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

  // Removes what interrupted work has left, unless work is under way. ensure() does so too.
  Status sweep();

  // Removes all bases but those whose keys are given; returns the removed. Guests that have one open are not disturbed.
  Result<std::vector<ManagedBase>> remove_unused(const std::set<std::string>& keys_in_use, const os::Context& context);

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

  std::filesystem::path cache_directory_;
  SystemClock system_clock_;
  const Clock* clock_;
};

}  // namespace dormouse::managed_base
