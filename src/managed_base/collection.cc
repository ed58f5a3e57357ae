// SPDX-License-Identifier: Apache-2.0
//
// Who uses which base, and the end of those that nobody uses.

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "faults/fault_point.h"
#include "managed_base/managed_base.h"
#include "managed_base/users.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnfinished = "unfinished-";  // begins the names of what is being made or removed
constexpr std::size_t kNamesShown = 3;

fs::path lock_of(const ManagedBase& base) { return base.directory / "base.json"; }

// What stands against removing it, and what to do about that.
std::string refusal(const BaseUse& use) {
  if (use.named_by.empty()) {
    return "a process that runs holds it: stop the daemon that builds with it, and try again";
  }
  std::string names;
  for (std::size_t i = 0; i < std::min(use.named_by.size(), kNamesShown); ++i) {
    names += (i == 0 ? "" : ", ") + use.named_by[i].string();
  }
  if (use.named_by.size() > kNamesShown) {
    names += fmt::format(" and {} more", use.named_by.size() - kNamesShown);
  }
  return names + " cannot do without it: delete these image versions, MicroVMs and checkpoints first";
}

}  // namespace

fs::path ManagedBaseStore::unfinished_path(std::string_view key) const {
  return cache_directory_ / "bases" / fmt::format("{}{}", kUnfinished, key.substr(0, 16));
}

Status ManagedBaseStore::remove_unfinished() const {
  DM_ASSIGN(const std::vector<fs::path> entries, os::entries_of(cache_directory_ / "bases"), "");
  for (const fs::path& entry : entries) {
    if (entry.filename().string().starts_with(kUnfinished)) {
      DM_TRY(os::remove_tree(entry), "");
    }
  }
  return {};
}

// ENOENT when it is not there any more.
Status ManagedBaseStore::hold(ManagedBase& base, const os::Context& context) const {
  DM_ASSIGN(FileLock lock, FileLock::share(lock_of(base), context), "");
  if (!lock.is_of(lock_of(base))) {
    return fail(Error::from_errno(ENOENT, "hold " + base.directory.string()));
  }
  base.hold = std::make_shared<const FileLock>(std::move(lock));
  return {};
}

Result<FileLock> ManagedBaseStore::register_user(const fs::path& data_directory, const os::Context& context) const {
  auto registered = Users(cache_directory_).add(data_directory, context);
  if (!registered) {
    return fail(
        std::move(registered)
            .error()
            .with_context(fmt::format("register {} in {}", data_directory.string(), cache_directory_.string())));
  }
  return registered;
}

// All but who names them.
Result<std::vector<BaseUse>> ManagedBaseStore::look() const {
  DM_ASSIGN(std::vector<ManagedBase> bases, list(), "");
  std::vector<BaseUse> uses;
  std::set<std::string> recipes;
  for (ManagedBase& base : bases) {
    BaseUse use;
    use.newest = recipes.insert(base.recipe).second;
    use.young = clock_->wall() - base.created_at < kYoung;
    if (auto alone = FileLock::try_acquire_existing(lock_of(base))) {
      use.alone = *std::move(alone);
    } else if (alone.error().kind() == ErrorKind::kUnavailable) {
      use.held = true;
    } else if (alone.error().errno_value() == ENOENT) {
      continue;
    } else {
      return fail(std::move(alone).error());
    }
    use.base = std::move(base);
    uses.push_back(std::move(use));
  }
  return uses;
}

// Only after look(): what nobody holds nobody begins to name.
Status ManagedBaseStore::ask(std::vector<BaseUse>& uses, const Named& named) const {
  DM_ASSIGN(const std::vector<fs::path> data_directories, Users(cache_directory_).present(), "");
  for (const fs::path& data_directory : data_directories) {
    DM_ASSIGN(auto names, named(data_directory), "");
    for (BaseUse& use : uses) {
      const std::vector<fs::path>& named_by = names[use.base.key];
      use.named_by.insert(use.named_by.end(), named_by.begin(), named_by.end());
    }
  }
  return {};
}

Result<std::vector<BaseUse>> ManagedBaseStore::uses(const Named& named) const {
  DM_ASSIGN(std::vector<BaseUse> uses, look(), "");
  for (BaseUse& use : uses) {
    use.alone.reset();  // who only asks is in nobody's way
  }
  DM_TRY(ask(uses, named), "");
  return uses;
}

// By one rename: what is half removed is nobody's base. To be called by who has all locks.
Status ManagedBaseStore::remove(const ManagedBase& base) const {
  const fs::path removed = unfinished_path(base.key);
  DM_TRY(os::remove_tree(removed), "");
  DM_TRY(os::rename_durably(base.directory, removed), "");
  DM_TRY(faults::reach("base.withdrawn", {base.key}), "");
  DM_TRY(os::remove_tree(removed), "");
  return faults::reach("base.removed", {base.key});
}

Result<std::vector<ManagedBase>> ManagedBaseStore::collect(const Named& named, const os::Context& context) const {
  std::vector<ManagedBase> removed;
  if (!fs::exists(cache_directory_ / "bases")) {
    return removed;
  }
  const auto making = FileLock::try_acquire(cache_directory_ / "lock");
  if (!making && making.error().kind() == ErrorKind::kUnavailable) {
    return removed;
  }
  if (!making) {
    return fail(Error(making.error()));
  }
  DM_TRY(remove_unfinished(), "");
  const Users users(cache_directory_);
  DM_ASSIGN(const FileLock registering, users.lock(context), "");
  DM_TRY(users.drop_gone(), "");
  DM_ASSIGN(std::vector<BaseUse> candidates, look(), "");
  std::erase_if(candidates, [](const BaseUse& use) { return use.to_be_kept(); });
  if (candidates.empty()) {
    return removed;
  }
  DM_TRY(ask(candidates, named), "");
  for (BaseUse& use : candidates) {
    if (!use.to_be_kept()) {
      log::info("removing a managed base that nothing needs any more", {{"base", use.base.key}});
      DM_TRY(remove(use.base), "");
      removed.push_back(std::move(use.base));
    }
  }
  return removed;
}

Status ManagedBaseStore::remove(std::string_view key, const Named& named, const os::Context& context) const {
  DM_TRY(find(key), "");
  DM_ASSIGN(const FileLock making, FileLock::try_acquire(cache_directory_ / "lock"), "a base is being made or removed");
  const Users users(cache_directory_);
  DM_ASSIGN(const FileLock registering, users.lock(context), "");
  DM_TRY(users.drop_gone(), "");
  DM_ASSIGN(std::vector<BaseUse> all, look(), "");
  DM_TRY(ask(all, named), "it cannot be known who uses it");
  const auto use = std::find_if(all.begin(), all.end(), [&](const BaseUse& one) { return one.base.key == key; });
  if (use == all.end()) {
    return fail(ErrorKind::kNotFound, fmt::format("managed base {} is gone", key));
  }
  if (use->in_use()) {
    return fail(ErrorKind::kConflict, fmt::format("managed base {}: {}", key, refusal(*use)));
  }
  return remove(use->base);
}

}  // namespace dormouse::managed_base
