// SPDX-License-Identifier: Apache-2.0

#include "host/named_engines.h"

#include <cerrno>
#include <filesystem>
#include <vector>

#include "host/vm_files.h"
#include "snapshot/manifest.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

// The directories in `path`; none if it is not there.
Result<std::vector<fs::path>> directories_in(const fs::path& path) {
  std::error_code error;
  std::vector<fs::path> found;
  for (auto entry = fs::directory_iterator(path, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      found.push_back(entry->path());
    }
  }
  if (error && error.value() != ENOENT) {
    return fail(Error::from_errno(error.value(), "list " + path.string()));
  }
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
      const auto manifest = snapshot::read_snapshot(version);
      if (manifest && !manifest->engine.empty()) {
        named.insert(manifest->engine);
      } else if (!manifest && manifest.error().errno_value() != ENOENT) {  // ENOENT: it is being removed
        return fail(Error(manifest.error()).with_context(version.string()));
      }
    }
  }
  return named;
}

}  // namespace dormouse::host
