// SPDX-License-Identifier: Apache-2.0

#include "host/template_store.h"

#include <fcntl.h>

#include <utility>

#include <fmt/format.h>

#include "os/file.h"
#include "snapshot/checksum.h"

namespace dormouse::host {
namespace fs = std::filesystem;

Result<UniqueFd> duplicate(const UniqueFd& fd) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) {
    return fail_errno("duplicate a descriptor");
  }
  return UniqueFd(copy);
}

Result<UniqueFd> Template::open_state() const {
  return os::open_file(fmt::format("/proc/self/fd/{}", state.get()), O_RDONLY);
}

Result<std::vector<vmm::DiskFiles>> Template::disks(UniqueFd overlay) const {
  std::vector<vmm::DiskFiles> files;
  for (const std::string& serial : manifest.model.disks) {
    vmm::DiskFiles file;
    file.serial = serial;
    file.read_only = serial != "application";
    DM_ASSIGN(file.base, duplicate(serial == "root" ? root : serial == "containers" ? containers : disk), "");
    if (serial == "application") {
      file.overlay = std::move(overlay);
    }
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::shared_ptr<const Template>> TemplateStore::load(const fs::path& directory) {
  auto loaded = std::make_shared<Template>();
  DM_ASSIGN(loaded->manifest, snapshot::read_snapshot(directory), "");
  auto base = bases_.find(loaded->manifest.base_key);
  if (!base) {
    return fail(std::move(base).error().with_context("the managed base that the snapshot stands on"));
  }
  DM_ASSIGN(loaded->memory, os::open_file(directory / snapshot::kMemoryFile, O_RDONLY), "");
  DM_ASSIGN(loaded->state, os::open_file(directory / snapshot::kStateFile, O_RDONLY), "");
  DM_ASSIGN(loaded->disk, os::open_file(directory / snapshot::kDiskFile, O_RDONLY), "");
  DM_ASSIGN(loaded->root, os::open_file(base->root, O_RDONLY), "");
  DM_ASSIGN(loaded->containers, os::open_file(base->containers, O_RDONLY), "");
  const std::uint64_t memory_bytes = std::uint64_t{loaded->manifest.model.memory_mib} << 20U;
  if (os::size_of(loaded->memory.get()) != memory_bytes) {
    return fail(ErrorKind::kDataLoss, "the memory file has not the machine's size");
  }
  const snapshot::SnapshotManifest::Checksums& expected = loaded->manifest.checksums;
  DM_TRY(snapshot::verify(loaded->state, expected.state, "the snapshot's device state"), "");
  DM_TRY(snapshot::verify(loaded->memory, expected.memory, "the snapshot's memory"), "");
  DM_TRY(snapshot::verify(loaded->disk, expected.disk, "the snapshot's disk"), "");
  for (const auto& [file, checksum] : {std::pair(base->root, expected.root), {base->containers, expected.containers}}) {
    DM_ASSIGN(const std::uint64_t found, base_checksums_.of(file), "");
    if (found != checksum) {
      return fail(ErrorKind::kDataLoss, "the managed base's " + file.filename().string() + " does not verify");
    }
  }
  return loaded;
}

Result<std::shared_ptr<const Template>> TemplateStore::open(const fs::path& directory) {
  const auto slot = [&] {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Slot>& found = slots_[directory.string()];
    if (!found) {
      found = std::make_shared<Slot>();
    }
    return found;
  }();
  const std::lock_guard loading(slot->loading);
  if (auto open = slot->loaded.lock()) {
    return open;
  }
  auto loaded = load(directory);
  if (!loaded) {
    return fail(std::move(loaded).error().with_context("open the snapshot"));
  }
  slot->loaded = *loaded;
  return loaded;
}

void TemplateStore::forget(const fs::path& directory) {
  const std::lock_guard lock(mutex_);
  slots_.erase(directory.string());
}

}  // namespace dormouse::host
