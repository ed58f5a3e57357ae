// SPDX-License-Identifier: Apache-2.0

#include "snapshot/foundations.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "os/file.h"
#include "snapshot/manifest.h"
#include "snapshot/vm_files.h"

namespace dormouse::snapshot {
namespace {

namespace fs = std::filesystem;

// The directories in `path`; none if it is not there.
Result<std::vector<fs::path>> directories_in(const fs::path& path) {
  DM_ASSIGN(std::vector<fs::path> found, os::entries_of(path), "");
  std::erase_if(found, [](const fs::path& entry) {
    std::error_code ignored;
    return !fs::is_directory(entry, ignored);
  });
  return found;
}

}  // namespace

Result<std::set<std::string>> named_engines(const Layout& layout) {
  std::set<std::string> named;
  for (const fs::path& kept : {layout.microvms(), layout.checkpoints()}) {
    DM_ASSIGN(const std::vector<fs::path> directories, directories_in(kept), "");
    for (const fs::path& directory : directories) {
      DM_ASSIGN(std::set<std::string> engines, VmFiles(directory).engines(), "");
      named.merge(engines);
    }
  }
  DM_ASSIGN(const std::vector<fs::path> images, directories_in(layout.images()), "");
  for (const fs::path& image : images) {
    DM_ASSIGN(const std::vector<fs::path> versions, directories_in(image), "");
    for (const fs::path& version : versions) {
      const auto manifest = read_snapshot(version);
      if (manifest && !manifest->engine.empty()) {
        named.insert(manifest->engine);
      } else if (!manifest && manifest.error().errno_value() != ENOENT) {  // ENOENT: it is being removed
        return fail(Error(manifest.error()).with_context(version.string()));
      }
    }
  }
  return named;
}

Foundations foundations_of(const fs::path& directory) {
  Foundations found;
  if (const auto manifest = read_snapshot(directory)) {
    found.base = manifest->base_key;
    if (!manifest->engine.empty()) {
      found.engines.insert(manifest->engine);
    }
  } else if (auto engines = VmFiles(directory).engines()) {
    found.engines = *std::move(engines);
  }
  return found;
}

}  // namespace dormouse::snapshot
