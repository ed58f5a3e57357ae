// SPDX-License-Identifier: Apache-2.0

#include "managed_base/managed_base.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/scope_exit.h"
#include "hashing/digest.h"
#include "managed_base/file_lock.h"
#include "managed_base/kernel_image.h"
#include "managed_base/manifest.h"
#include "managed_base/package_lists.h"
#include "managed_base/recipe.h"
#include "managed_base/recipe_runner.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyLength = 64;

bool is_key(std::string_view name) {
  return name.size() == kKeyLength && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void set_paths(ManagedBase& base, const fs::path& directory) {
  base.directory = directory;
  base.kernel = directory / "vmlinuz";
  base.root = directory / "root.ext4";
  base.builder_root = directory / "builder.ext4";
  base.containers = directory / "containers.ext4";
  base.modules = directory / "modules";
}

std::uint64_t allocated_bytes(const fs::path& directory) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    struct stat status{};
    if (::lstat(entry->path().c_str(), &status) == 0) {
      sum += static_cast<std::uint64_t>(status.st_blocks) * 512U;
    }
  }
  return sum;
}

// Nobody writes into what all guests share, also not by mistake. Earlier versions left it writable.
Status protect(const fs::path& directory) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file() && !entry->is_symlink() && ::chmod(entry->path().c_str(), 0444) != 0) {
      return fail_errno("chmod " + entry->path().string());
    }
  }
  if (error) {
    return fail(Error::from_errno(error.value(), "read directory " + directory.string()));
  }
  return {};
}

Status sync_tree(const fs::path& directory) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->is_directory()) {
      DM_TRY(os::sync_directory(entry->path()), "");
    } else {
      DM_TRY(os::sync_file(entry->path()), "");
    }
  }
  if (error) {
    return fail(Error::from_errno(error.value(), "read directory " + directory.string()));
  }
  return os::sync_directory(directory);
}

Result<std::map<std::string, std::string>> read_versions(const fs::path& path) {
  DM_ASSIGN(const std::string text, os::read_file(path), "");
  std::map<std::string, std::string> versions;
  std::istringstream lines(text);
  for (std::string package, version; lines >> package >> version;) {
    versions[package] = version;
  }
  return versions;
}

}  // namespace

// What ensure() was asked for, resolved.
struct ManagedBaseStore::Wanted {
  std::string key;
  std::string recipe;
  PackageLists lists;
  std::optional<fs::path> kernel;
};

ManagedBaseStore::ManagedBaseStore(fs::path cache_directory, const Clock* clock)
    : cache_directory_(std::move(cache_directory)), clock_(clock != nullptr ? clock : &system_clock_) {}

namespace {

// ManagedBase::recipe of a base that is made with these options.
Result<std::string> recipe_digest(const BuildOptions& options) {
  hashing::Digest recipe;
  for (const RecipeFile& file : recipe_files()) {
    if (file.content.data() != build_image_script().data()) {  // that one is given to guests, not baked in
      recipe.add(file.name, file.content);
    }
  }
  if (options.kernel) {
    DM_TRY(check_kernel(*options.kernel), "kernel " + options.kernel->string());
    DM_ASSIGN(const std::string digest, hashing::digest_of_file(*options.kernel), "kernel");
    recipe.add("kernel", digest);
  }
  if (options.mirror) {
    recipe.add("mirror", *options.mirror);
  }
  return recipe.finish();
}

}  // namespace

Result<ManagedBaseStore::Wanted> ManagedBaseStore::determine(const BuildOptions& options,
                                                             const os::Context& context) const {
  Wanted wanted;
  DM_ASSIGN(wanted.recipe, recipe_digest(options), "");
  if (options.kernel) {
    std::error_code error;
    wanted.kernel = fs::absolute(*options.kernel, error);
  }
  DM_ASSIGN(wanted.lists, read_package_lists(context), "");
  if (options.mirror) {
    wanted.lists.sources = {"deb " + *options.mirror + " bookworm main",
                            "deb " + *options.mirror + " bookworm-updates main"};
  }
  hashing::Digest key;
  key.add("recipe", wanted.recipe);
  for (const std::string& line : wanted.lists.sources) {
    key.add("source", line);
  }
  for (const auto& [package, version] : wanted.lists.versions) {
    key.add(package, version);
  }
  wanted.key = key.finish();
  return wanted;
}

Result<ManagedBase> ManagedBaseStore::ensure(const BuildOptions& options,
                                             ProgressObserver& observer,
                                             const os::Context& context) {
  for (;;) {
    DM_ASSIGN(ManagedBase base, find_or_make(options, observer, context), "managed base");
    const Status held = hold(base, context);
    if (held) {
      DM_TRY(protect(base.directory), "managed base");
      return base;
    }
    if (held.error().errno_value() != ENOENT) {
      return fail(Error(held.error()).with_context("managed base"));
    }
    DM_TRY(context.check("managed base"), "");  // it was removed meanwhile
  }
}

Result<ManagedBase> ManagedBaseStore::find_or_make(const BuildOptions& options,
                                                   ProgressObserver& observer,
                                                   const os::Context& context) {
  DM_ASSIGN(const Wanted wanted, determine(options, context), "");
  if (auto found = find(wanted.key)) {
    return found;
  }
  if (!wanted.lists.complete) {
    DM_ASSIGN(std::optional<ManagedBase> known, newest_of(wanted.recipe), "");
    if (known) {
      known->notice = "APT's package lists cannot be read here, so newer packages are not looked for";
      return *std::move(known);
    }
  }
  DM_TRY(os::make_directories(cache_directory_ / "bases", 0755), "");
  DM_ASSIGN(const FileLock lock, FileLock::acquire(cache_directory_ / "lock", context), "");
  if (auto found = find(wanted.key)) {  // somebody else has made it meanwhile
    return found;
  }
  DM_TRY(remove_unfinished(), "");
  auto made = make(wanted, observer, context);
  if (!made && made.error().kind() == ErrorKind::kUnavailable && options.accept_outdated) {
    DM_ASSIGN(std::optional<ManagedBase> known, newest_of(wanted.recipe), "");
    if (known) {
      known->notice = "a base with newer packages cannot be made: " + made.error().message();
      return *std::move(known);
    }
  }
  return made;
}

Result<ManagedBase> ManagedBaseStore::make(const Wanted& wanted,
                                           ProgressObserver& observer,
                                           const os::Context& context) const {
  const fs::path unfinished = unfinished_path(wanted.key);
  const ScopeExit cleanup([&] { static_cast<void>(os::remove_tree(unfinished)); });
  RecipeRun run;
  run.work = unfinished / "work";
  run.output = unfinished / "base";
  run.sources = wanted.lists.sources;
  run.kernel = wanted.kernel;
  DM_TRY(os::make_directories(run.work, 0755), "");
  DM_TRY(os::make_directories(run.output, 0755), "");
  DM_TRY(run_recipe(run, observer, context), "");

  ManagedBase base;
  base.key = wanted.key;
  base.recipe = wanted.recipe;
  base.created_at = clock_->wall();
  base.users_known = true;
  if (wanted.kernel) {
    base.own_kernel = wanted.kernel->string();
  }
  DM_ASSIGN(base.versions, read_versions(run.work / "versions"), "");
  DM_TRY(os::publish_file(run.output / "base.json", write_manifest(base), 0644, os::Durability::kDurable), "");
  DM_TRY(sync_tree(run.output), "");
  DM_TRY(os::rename_durably(run.output, cache_directory_ / "bases" / wanted.key), "");
  return find(wanted.key);
}

Result<ManagedBase> ManagedBaseStore::find(std::string_view key) const {
  const fs::path directory = cache_directory_ / "bases" / std::string(key);
  if (!is_key(key) || !fs::exists(directory / "base.json")) {
    return fail(ErrorKind::kNotFound, "managed base " + std::string(key) + " is not in " + cache_directory_.string());
  }
  DM_ASSIGN(const std::string text, os::read_file(directory / "base.json"), "managed base");
  DM_ASSIGN(ManagedBase base, parse_manifest(text), directory.string());
  if (base.key != key) {
    return fail(ErrorKind::kDataLoss, directory.string() + ": base.json is of another base");
  }
  set_paths(base, directory);
  base.size_bytes = allocated_bytes(directory);
  return base;
}

Result<std::vector<ManagedBase>> ManagedBaseStore::list() const {
  std::vector<ManagedBase> bases;
  std::error_code error;
  for (fs::directory_iterator entry(cache_directory_ / "bases", error), end; !error && entry != end;
       entry.increment(error)) {
    if (!is_key(entry->path().filename().string())) {
      continue;
    }
    if (auto base = find(entry->path().filename().string())) {
      bases.push_back(*std::move(base));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(Error::from_errno(error.value(), "read directory " + (cache_directory_ / "bases").string()));
  }
  std::sort(bases.begin(), bases.end(), [](const ManagedBase& a, const ManagedBase& b) {
    return std::pair(b.created_at, a.key) < std::pair(a.created_at, b.key);
  });
  return bases;
}

Result<std::optional<ManagedBase>> ManagedBaseStore::newest(const BuildOptions& options) const {
  DM_ASSIGN(const std::string recipe, recipe_digest(options), "managed base");
  return newest_of(recipe);
}

Result<std::optional<ManagedBase>> ManagedBaseStore::newest_of(const std::string& recipe) const {
  DM_ASSIGN(std::vector<ManagedBase> bases, list(), "");
  for (ManagedBase& base : bases) {
    if (base.recipe == recipe) {
      return std::optional(std::move(base));
    }
  }
  return std::optional<ManagedBase>();
}

}  // namespace dormouse::managed_base
