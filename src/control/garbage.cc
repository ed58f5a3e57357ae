// SPDX-License-Identifier: Apache-2.0

#include "control/garbage.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fmt/core.h>

#include "base/log.h"
#include "control/image_files.h"
#include "control/lifecycle.h"
#include "faults/fault_point.h"
#include "os/file.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImagesMax = 100'000;
constexpr std::size_t kPageRows = 100;

Status name_version(const store::MetadataStore& metadata,
                    const std::string& image_id,
                    const store::VersionRow& version,
                    NamedFiles& named) {
  if (version.state != to_string(VersionState::kFailed)) {  // it never had a snapshot that counts
    named.versions[image_id].insert(version.version);
  }
  std::optional<std::string> after;
  do {
    DM_ASSIGN(const auto builds, metadata.list_builds(version.image_arn, version.version, {kPageRows, after}), "");
    for (const store::BuildRow& build : builds.rows) {
      named.builds.insert(build.build_id);
    }
    after = builds.next;
  } while (after);
  return {};
}

}  // namespace

Result<NamedFiles> read_named_files(const store::MetadataStore& metadata) {
  NamedFiles named;
  for (const ImageState state : kAllImageStates) {
    DM_ASSIGN(const auto images, metadata.images_in_state(to_string(state), kImagesMax), "list images");
    if (images.size() >= kImagesMax) {
      return fail(
          ErrorKind::kResourceExhausted,
          fmt::format(
              "list images: {} are {} and at most {} are looked at", images.size(), to_string(state), kImagesMax - 1));
    }
    for (const store::ImageRow& image : images) {
      named.versions[image.id];
      std::optional<std::string> after;
      do {
        DM_ASSIGN(const auto versions, metadata.list_versions(image.arn, {kPageRows, after}), "list versions");
        for (const store::VersionRow& version : versions.rows) {
          DM_TRY(name_version(metadata, image.id, version, named), "list builds");
        }
        after = versions.next;
      } while (after);
    }
  }
  return named;
}

Result<std::vector<fs::path>> find_garbage(const fs::path& data_directory, const NamedFiles& named) {
  std::vector<fs::path> garbage;
  DM_ASSIGN(const auto images, os::entries_of(data_directory / "images"), "");
  for (const fs::path& image : images) {
    const auto known = named.versions.find(image.filename().string());
    if (known == named.versions.end()) {
      garbage.push_back(image);
      continue;
    }
    DM_ASSIGN(const auto versions, os::entries_of(image), "");
    std::copy_if(versions.begin(), versions.end(), std::back_inserter(garbage), [&](const fs::path& version) {
      return !known->second.contains(version.filename().string());
    });
  }
  DM_ASSIGN(const auto builds, os::entries_of(data_directory / "builds"), "");
  garbage.insert(garbage.end(), builds.begin(), builds.end());
  DM_ASSIGN(const auto logs, os::entries_of(data_directory / "build-logs"), "");
  std::copy_if(logs.begin(), logs.end(), std::back_inserter(garbage), [&](const fs::path& log) {
    return !named.builds.contains(log.stem().string());
  });
  return garbage;
}

Result<std::size_t> collect_garbage(const fs::path& data_directory, const store::MetadataStore& metadata) {
  DM_ASSIGN(const NamedFiles named, read_named_files(metadata), "collect garbage");
  DM_ASSIGN(const auto garbage, find_garbage(data_directory, named), "collect garbage");
  for (const fs::path& path : garbage) {
    DM_TRY(os::remove_tree(path), "collect garbage");
    log::info("removed what no record names", {{"path", path.string()}});
    DM_TRY(faults::reach("collect.removed", {path.filename().native()}), "collect garbage");
  }
  return garbage.size();
}

}  // namespace dormouse::control
