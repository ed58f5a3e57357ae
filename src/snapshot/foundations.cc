// SPDX-License-Identifier: Apache-2.0

#include "snapshot/foundations.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include "os/file.h"
#include "snapshot/manifest.h"
#include "snapshot/vm_files.h"

namespace dormouse::snapshot {
namespace {

namespace fs = std::filesystem;

// The directories in `path`; none if it is not there.
Result<std::vector<fs::path>> directories_in(const fs::path& path) {
  DM_ASSIGN(const std::vector<fs::path> entries, os::entries_of(path), "");
  std::vector<fs::path> found;
  for (const fs::path& entry : entries) {
    std::error_code error;
    const fs::file_status status = fs::status(entry, error);
    if (fs::is_directory(status)) {
      found.push_back(entry);
    } else if (status.type() == fs::file_type::none) {
      return fail(Error::from_errno(error.value(), "look at " + entry.string()));
    }
  }
  return found;
}

Result<Foundations> foundations_of_snapshot(const fs::path& directory) {
  Foundations found;
  const auto manifest = read_snapshot(directory);
  if (!manifest && manifest.error().errno_value() != ENOENT) {  // ENOENT: it is being removed
    return fail(Error(manifest.error()).with_context(directory.string()));
  }
  if (manifest && !manifest->engine.empty()) {
    found.engines.insert(manifest->engine);
  }
  if (manifest && !manifest->base_key.empty()) {
    found.bases.insert(manifest->base_key);
  }
  return found;
}

// Also of a checkpoint.
Result<Foundations> foundations_of_vm(const fs::path& directory) {
  DM_ASSIGN(VmFiles::Named named, VmFiles(directory).named(), "");
  Foundations found;
  found.engines = std::move(named.engines);
  for (const fs::path& snapshot : named.snapshots) {
    DM_ASSIGN(Foundations of_snapshot, foundations_of_snapshot(snapshot), directory.string());
    found.bases.merge(of_snapshot.bases);
  }
  return found;
}

struct Standing {
  fs::path directory;
  Foundations on;
};

// Everything in the data directory that stands on something. In this order, so that none is missed of what is made from another
// meanwhile: a checkpoint of a VM, a VM of a checkpoint whose snapshot is still there.
Result<std::vector<Standing>> all_standing(const Layout& layout) {
  std::vector<Standing> all;
  for (const fs::path& kept : {layout.microvms(), layout.checkpoints()}) {
    DM_ASSIGN(const std::vector<fs::path> directories, directories_in(kept), "");
    for (const fs::path& directory : directories) {
      DM_ASSIGN(Foundations found, foundations_of_vm(directory), "");
      all.push_back({directory, std::move(found)});
    }
  }
  DM_ASSIGN(const std::vector<fs::path> snapshots, snapshots_in(layout), "");
  for (const fs::path& snapshot : snapshots) {
    DM_ASSIGN(Foundations found, foundations_of_snapshot(snapshot), "");
    all.push_back({snapshot, std::move(found)});
  }
  return all;
}

}  // namespace

Result<std::vector<fs::path>> snapshots_in(const Layout& layout) {
  std::vector<fs::path> all;
  DM_ASSIGN(const std::vector<fs::path> images, directories_in(layout.images()), "");
  for (const fs::path& image : images) {
    DM_ASSIGN(std::vector<fs::path> versions, directories_in(image), "");
    std::move(versions.begin(), versions.end(), std::back_inserter(all));
  }
  return all;
}

Foundations foundations_of(const fs::path& directory) {
  std::error_code error;
  const bool is_snapshot = fs::exists(directory / kManifestFile, error);
  return (is_snapshot ? foundations_of_snapshot(directory) : foundations_of_vm(directory)).value_or(Foundations());
}

Result<std::set<std::string>> named_engines(const Layout& layout) {
  DM_ASSIGN(std::vector<Standing> all, all_standing(layout), "");
  std::set<std::string> named;
  for (Standing& one : all) {
    named.merge(one.on.engines);
  }
  return named;
}

Result<std::map<std::string, std::vector<fs::path>>> named_bases(const fs::path& data_directory) {
  const Layout layout(data_directory);
  std::error_code error;
  if (!fs::exists(layout.lock(), error)) {
    return fail(error ? Error::from_errno(error.value(), "look at " + layout.lock().string())
                      : Error(ErrorKind::kUnavailable,
                              layout.root().string() + " holds no data of a daemon now: mount it, or remove it"));
  }
  DM_ASSIGN(std::vector<Standing> all, all_standing(layout), "");
  std::reverse(all.begin(), all.end());
  std::map<std::string, std::vector<fs::path>> named;
  for (const Standing& one : all) {
    for (const std::string& base : one.on.bases) {
      named[base].push_back(one.directory);
    }
  }
  return named;
}

}  // namespace dormouse::snapshot
