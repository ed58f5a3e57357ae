// SPDX-License-Identifier: Apache-2.0

#include "engine/engine_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "engine/current_engine.h"
#include "faults/fault_point.h"
#include "hashing/digest.h"
#include "os/file.h"
#include "os/sparse_copy.h"
#include "vmm/engine_layout.h"

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;

constexpr char kUnfinished[] = ".tmp";  // ends the names of what is being made or removed
constexpr char kMade[] = "new.tmp";
constexpr char kScratch[] = "scratch.tmp";

Status set_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) {
    return fail_errno("chmod " + path.string());
  }
  return {};
}

// A VM's user may read and execute it, and change nothing.
Result<EngineFile> copy_file(const fs::path& from,
                             const fs::path& directory,
                             const std::string& path,
                             const os::Context& context) {
  const fs::path to = directory / path;
  DM_TRY(os::make_directories(to.parent_path()), "");
  DM_TRY(os::copy_sparsely(from, to, context), "");
  DM_TRY(set_mode(to, path == vmm::kEngineLoader ? 0555 : 0444), "");
  DM_TRY(os::sync_file(to), "");
  EngineFile file;
  file.path = path;
  DM_ASSIGN(const UniqueFd copied, os::open_file(to, O_RDONLY), "");
  file.bytes = os::size_of(copied.get());
  DM_ASSIGN(file.sha256, hashing::digest_of_file(to), "");
  return file;
}

// Writes an engine of these parts into `directory`; durable, and not published.
Result<Engine> assemble(const EngineParts& parts, const fs::path& directory, const os::Context& context) {
  EngineManifest manifest{.qemu_version = parts.qemu_version, .files = {}};
  std::set<fs::path> directories = {directory};
  for (const auto& [path, from] : parts.files) {
    DM_ASSIGN(EngineFile file, copy_file(from, directory, path, context), "copy " + from.string());
    manifest.files.push_back(std::move(file));
    directories.insert((directory / path).parent_path());
  }
  const std::string text = encode(manifest);
  DM_TRY(os::publish_file(directory / kManifestFile, text, 0444, os::Durability::kDurable), "");
  for (const fs::path& made : directories) {
    DM_TRY(set_mode(made, 0755), "");
    DM_TRY(os::sync_directory(made), "");
  }
  Engine engine;
  engine.digest = hashing::digest_of(text);
  engine.qemu_version = parts.qemu_version;
  engine.path = directory;
  DM_ASSIGN(engine.directory, os::open_file(directory, O_PATH | O_DIRECTORY), "");
  return engine;
}

Status expect_executable(const fs::path& directory) {
  struct statvfs facts{};
  if (::statvfs(directory.c_str(), &facts) != 0) {
    return fail_errno("statvfs " + directory.string());
  }
  if ((facts.f_flag & ST_NOEXEC) != 0) {
    return fail(ErrorKind::kConflict,
                fmt::format("{} is on a file system that is mounted noexec, and QEMU is started from there: mount it "
                            "without, or choose another --data-dir",
                            directory.string()));
  }
  return {};
}

}  // namespace

EngineStore::Maker EngineStore::maker_for(const SystemQemu& system, const os::Context& context) {
  Maker maker;
  maker.find = [system, context](const fs::path& scratch) { return find_parts(system, scratch, context); };
  maker.prove = [system, context](const Engine& engine, const fs::path& scratch) {
    return prove(engine, system, scratch, context);
  };
  maker.program = system.program;
  maker.acceleration = system.acceleration;
  return maker;
}

// --- the current one ---

Result<std::shared_ptr<const Engine>> EngineStore::choose_current(const Maker& maker, const os::Context& context) {
  DM_TRY(os::make_directories(directory_), "");
  DM_TRY(expect_executable(directory_), "");
  DM_TRY(clean(), "remove what is left of engines");
  const auto known = read_current(directory_);
  const bool same_kind = known && known->program == maker.program && known->acceleration == maker.acceleration;
  auto chosen = known ? open(known->digest) : Result<std::shared_ptr<const Engine>>(fail(Error(known.error())));
  if (known && !chosen) {
    log::warning("the engine is made again", {{"error", chosen.error().message()}});
  }
  if (!chosen || !same_kind || !is_up_to_date(*known)) {
    auto made = make(maker, context);
    if (made) {
      chosen = std::move(made);
    } else if (chosen && known->acceleration == maker.acceleration) {
      log::warning("no engine can be made of the system's QEMU: the last one serves on",
                   {{"error", made.error().message()}, {"engine", short_digest((*chosen)->digest)}});
    } else {
      return fail(std::move(made).error().with_context("make an engine of the system's QEMU"));
    }
  }
  const std::lock_guard lock(mutex_);
  current_ = *chosen;
  return current_;
}

std::shared_ptr<const Engine> EngineStore::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<std::shared_ptr<const Engine>> EngineStore::make(const Maker& maker, const os::Context& context) {
  const ScopeExit tidy([&] { (void)clean(); });
  DM_TRY(os::make_directories(directory_ / kScratch), "");
  DM_ASSIGN(const EngineParts parts, maker.find(directory_ / kScratch), "");
  CurrentEngine record;
  record.program = maker.program;
  record.acceleration = maker.acceleration;
  for (const auto& [path, from] : parts.files) {
    record.sources.push_back(state_of(from));
  }
  for (const fs::path& file : parts.decided_by) {
    record.sources.push_back(state_of(file));
  }
  DM_ASSIGN(const Engine made, assemble(parts, directory_ / kMade, context), "");
  DM_TRY(maker.prove(made, directory_ / kScratch), "");
  DM_TRY(publish(made), "");
  record.digest = made.digest;
  DM_TRY(os::publish_file(directory_ / CurrentEngine::kFile, encode(record), 0644, os::Durability::kDurable), "");
  return open(made.digest);
}

Status EngineStore::publish(const Engine& made) {
  const fs::path target = directory_ / made.digest;
  std::error_code error;
  if (fs::exists(target, error)) {
    if (open(made.digest)) {
      return {};  // the same as before
    }
    DM_TRY(remove(made.digest), "");
  }
  return os::rename_durably(made.path, target);
}

Status EngineStore::clean() const {
  DM_ASSIGN(const std::vector<fs::path> entries, os::entries_of(directory_), "");
  for (const fs::path& path : entries) {
    if (path.extension() == kUnfinished) {
      DM_TRY(os::remove_tree(path), "");
    }
  }
  return {};
}

// --- any ---

std::shared_ptr<EngineStore::Slot> EngineStore::slot(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Slot>& found = slots_[digest];
  if (!found) {
    found = std::make_shared<Slot>();
  }
  return found;
}

Result<std::shared_ptr<const Engine>> EngineStore::open(const std::string& digest) {
  if (!is_digest(digest)) {
    return fail(ErrorKind::kDataLoss, fmt::format("'{}' is no engine's digest", digest));
  }
  const std::shared_ptr<Slot> found = slot(digest);
  const std::lock_guard lock(found->mutex);
  if (found->engine) {
    return found->engine;
  }
  auto opened = open_engine(directory_ / digest);
  if (opened) {
    found->engine = std::make_shared<const Engine>(*std::move(opened));
    return found->engine;
  }
  if (opened.error().errno_value() == ENOENT) {
    return fail(ErrorKind::kConflict,
                fmt::format("the engine {} that it was made with is missing: put it back, or build the image again",
                            short_digest(digest)));
  }
  if (opened.error().kind() != ErrorKind::kDataLoss) {
    return fail(std::move(opened).error().with_context("open the engine " + short_digest(digest)));
  }
  return fail(
      ErrorKind::kConflict,
      fmt::format("the engine {} that it was made with does not verify: {}; put it back, or build the image again",
                  short_digest(digest),
                  opened.error().message()));
}

Result<std::vector<std::string>> EngineStore::list() const {
  DM_ASSIGN(const std::vector<fs::path> entries, os::entries_of(directory_), "");
  std::vector<std::string> digests;
  for (const fs::path& entry : entries) {
    if (const std::string name = entry.filename().string(); is_digest(name)) {
      digests.push_back(name);
    }
  }
  return digests;
}

void EngineStore::verify_all(const os::Context& context) {
  const auto digests = list();
  if (!digests) {
    return;
  }
  for (const std::string& digest : *digests) {
    if (!context.check("verify engines")) {
      return;
    }
    if (const auto opened = open(digest); !opened) {
      log::warning("an engine is damaged", {{"error", opened.error().message()}});
    }
  }
}

// --- the end ---

bool EngineStore::is_open(const std::string& digest) {
  const std::shared_ptr<Slot> found = slot(digest);
  const std::lock_guard lock(found->mutex);
  return found->engine && found->engine.use_count() > 1;
}

Status EngineStore::collect(const Named& named) {
  const std::lock_guard collecting(collecting_);
  const std::shared_ptr<const Engine> keep = current();
  DM_ASSIGN(std::vector<std::string> candidates, list(), "collect engines");
  std::erase_if(candidates,
                [&](const std::string& digest) { return (keep && digest == keep->digest) || is_open(digest); });
  if (!keep || candidates.empty()) {
    return {};
  }
  DM_ASSIGN(const std::set<std::string> names, named(), "collect engines");
  for (const std::string& digest : candidates) {
    if (!names.contains(digest)) {
      log::info("removing an engine that nothing names any more", {{"engine", short_digest(digest)}});
      DM_TRY(remove(digest), "collect engines");
    }
  }
  return {};
}

// By one rename: what is half removed is nobody's engine.
Status EngineStore::remove(const std::string& digest) {
  const std::shared_ptr<Slot> found = slot(digest);
  const std::lock_guard lock(found->mutex);
  if (found->engine && found->engine.use_count() > 1) {
    return {};
  }
  const fs::path removed = directory_ / (digest + kUnfinished);
  DM_TRY(os::remove_tree(removed), "");
  DM_TRY(os::rename_durably(directory_ / digest, removed), "");
  found->engine.reset();
  DM_TRY(faults::reach("engine.withdrawn", {digest}), "");
  DM_TRY(os::remove_tree(removed), "");
  return faults::reach("engine.removed", {digest});
}

}  // namespace dormouse::engine
