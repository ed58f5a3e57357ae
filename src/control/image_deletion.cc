// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "control/build_log.h"
#include "control/garbage.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/images_implementation.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "faults/fault_point.h"
#include "logs/log_writer.h"
#include "os/file.h"

namespace dormouse::control {

namespace {

constexpr std::size_t kLeftOverRowsMax = 1000;
constexpr std::size_t kPageRows = 50;
constexpr const char* kPlatformError = "INTERNAL_PLATFORM_ERROR";
constexpr std::size_t kHoldersNamed = 5;

// "microvm-1, microvm-2 and 3 more".
std::string named(const std::vector<std::string>& holders) {
  std::string names;
  for (std::size_t i = 0; i < std::min(holders.size(), kHoldersNamed); ++i) {
    names += (i == 0 ? "" : ", ") + holders[i];
  }
  if (holders.size() > kHoldersNamed) {
    names += fmt::format(" and {} more", holders.size() - kHoldersNamed);
  }
  return names;
}

// The refusal to delete what checkpoints stand on.
Answer<void> refuse_held(const char* what, const std::vector<std::string>& holders) {
  if (holders.empty()) {
    return {};
  }
  return refuse(ServiceErrorKind::kValidation,
                fmt::format("Cannot delete {} with checkpoints: {}. Delete those first.", what, named(holders)));
}

// The refusal to delete a version that VMs stand on, as the store has found. (That of an image has the service's words.)
tl::unexpected<ServiceError> refuse_in_use(const store::MetadataStore& metadata, const store::VersionKey& version) {
  std::vector<std::string> holders;
  if (const auto microvms = metadata.live_microvms()) {
    for (const store::MicrovmRow& row : *microvms) {
      if (row.image_arn == version.image_arn && row.image_version == version.version) {
        holders.push_back(row.microvm_id);
      }
    }
  }
  const std::string who = holders.empty() ? "" : fmt::format(" They are: {}. Terminate those first.", named(holders));
  return refuse(ServiceErrorKind::kValidation, "Cannot delete microvm image version with running microvms." + who);
}

}  // namespace

// ---- deletion of a whole image ----

Answer<Image> Images::Implementation::remove(const std::string& account, const std::string& identifier) {
  const std::lock_guard lock(mutex_);
  auto image = find(account, identifier);
  if (!image) {
    return image;
  }
  if (!next_state(image->state, ImageEvent::kDelete)) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("Cannot delete MicroVM image in its current state: {}", image->arn));
  }
  advance(*image, ImageEvent::kDelete);
  image->updated_at = rounded(world.clock.wall());
  const ImageHolds::Guard guard = holds.guard();
  if (const auto free = refuse_held("microvm image", holds.holders(image->arn, std::nullopt)); !free) {
    return tl::unexpected(free.error());
  }
  store::Changes changes;
  changes.image_unused = image->arn;
  changes.images.push_back(encode(*image));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    if (stored.error().kind() == ErrorKind::kConflict) {
      return refuse(ServiceErrorKind::kValidation, "Cannot delete microvm image with running microvms.");
    }
    return refuse_internally("delete an image", stored.error());
  }
  plan_deletion(*image);
  return image;
}

void Images::Implementation::plan_deletion(const Image& image) {
  if (!deletions_.post([this, image] { delete_image(image); })) {
    log::warning("an image's deletion waits for the next start", {{"image", image.arn}});
  }
}

Status Images::Implementation::delete_version_files(const Image& image, const std::string& version) {
  DM_TRY(faults::reach("delete.begun", {image.name}), "");
  bool built = false;
  std::optional<std::string> after;
  do {
    DM_ASSIGN(const auto builds, world.metadata.list_builds(image.arn, version, {kPageRows, after}), "");
    for (const store::BuildRow& build : builds.rows) {
      built = built || build.state == to_string(BuildState::kSuccessful);
      DM_TRY(os::remove_tree(build_log_file(world.data_directory, build.build_id)), "remove a build log");
    }
    after = builds.next;
  } while (after);
  if (built) {
    DM_TRY(world.host.remove_snapshot(snapshot_directory(world.data_directory, image.id, version)),
           "remove a snapshot");
  }
  return faults::reach("delete.files_removed", {image.name});
}

Status Images::Implementation::delete_files(const Image& image) {
  std::optional<std::string> after;
  do {
    DM_ASSIGN(const auto versions, world.metadata.list_versions(image.arn, {kPageRows, after}), "");
    for (const store::VersionRow& version : versions.rows) {
      DM_TRY(delete_version_files(image, version.version), version.version);
    }
    after = versions.next;
  } while (after);
  return os::remove_tree(image_directory(world.data_directory, image.id));
}

void Images::Implementation::delete_image(const Image& image) {
  Status deleted = delete_files(image);
  const std::lock_guard lock(mutex_);
  if (deleted) {
    store::Changes changes;
    changes.remove_images.push_back(image.arn);
    deleted = world.metadata.apply(changes);
  }
  if (deleted) {
    log::info("image deleted", {{"image", image.arn}});
    return;
  }
  log::error("an image could not be deleted", {{"image", image.arn}, {"error", deleted.error().message()}});
  Image failed = image;
  if (const auto row = world.metadata.image_by_arn(image.arn); row && *row) {
    failed = decode(**row).value_or(image);  // tags may have changed meanwhile
  }
  advance(failed, ImageEvent::kFailed);
  store::Changes changes;
  changes.images.push_back(encode(failed));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    log::error("an image's record could not be stored", {{"error", stored.error().message()}});
  }
}

// ---- deletion of one version ----

Answer<ImageVersion> Images::Implementation::remove_version(const std::string& account,
                                                            const std::string& identifier,
                                                            const std::string& version) {
  const std::lock_guard lock(mutex_);
  auto image = find(account, identifier);
  if (!image) {
    return tl::unexpected(image.error());
  }
  auto found = find_version(account, identifier, version);
  if (!found || found->state == VersionState::kDeleting) {
    return found;
  }
  if (const auto checked = check_changeable(*image, "delete"); !checked) {
    return tl::unexpected(checked.error());
  }
  const auto versions = world.metadata.list_versions(image->arn, {2, std::nullopt});
  if (!versions) {
    return refuse_internally("list versions", versions.error());
  }
  if (versions->rows.size() < 2) {
    return refuse(ServiceErrorKind::kValidation, "This is the last version. Please delete the entire image");
  }
  advance(*image, ImageEvent::kUpdate);
  advance(*found, VersionEvent::kDelete, rounded(world.clock.wall()));
  found->status = VersionStatus::kInactive;
  image->updated_at = found->updated_at;
  if (const Status looked = look_over_versions(*image, *found); !looked) {
    return refuse_internally("list versions", looked.error());
  }
  const ImageHolds::Guard guard = holds.guard();
  if (const auto free = refuse_held("microvm image version", holds.holders(image->arn, found->version)); !free) {
    return tl::unexpected(free.error());
  }
  store::Changes changes;
  changes.version_unused = store::VersionKey{image->arn, found->version};
  changes.images.push_back(encode(*image));
  changes.versions.push_back(encode(*found));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    if (stored.error().kind() == ErrorKind::kConflict) {
      return refuse_in_use(world.metadata, {image->arn, found->version});
    }
    return refuse_internally("delete a version", stored.error());
  }
  plan_version_deletion(*image, *found);
  return found;
}

void Images::Implementation::plan_version_deletion(const Image& image, const ImageVersion& version) {
  if (!deletions_.post([this, image, version] { delete_version(image, version); })) {
    log::warning("a version's deletion waits for the next start", {{"image", image.arn}, {"version", version.version}});
  }
}

void Images::Implementation::delete_version(const Image& image, const ImageVersion& version) {
  const Status deleted = delete_version_files(image, version.version);
  if (!deleted) {
    log::error("a version could not be deleted",
               {{"image", image.arn}, {"version", version.version}, {"error", deleted.error().message()}});
  }
  const std::lock_guard lock(mutex_);
  if (const Status stored = forget_version(image, version, deleted); !stored) {
    log::error("an image's record could not be stored", {{"error", stored.error().message()}});
  }
}

// The records' part: the version is gone, or says that it could not go.
Status Images::Implementation::forget_version(const Image& image, ImageVersion version, const Status& deleted) {
  DM_ASSIGN(const auto row, world.metadata.image_by_arn(image.arn), "");
  if (!row) {
    return {};
  }
  DM_ASSIGN(Image current, decode(*row), "");  // tags may have changed meanwhile
  current.updated_at = rounded(world.clock.wall());
  store::Changes changes;
  if (deleted) {
    advance(current, ImageEvent::kBuilt);
    changes.remove_versions.push_back({image.arn, version.version});
  } else {
    advance(current, ImageEvent::kFailed);
    advance(version, VersionEvent::kFail, current.updated_at);
    changes.versions.push_back(encode(version));
  }
  changes.images.push_back(encode(current));
  return world.metadata.apply(changes);
}

// ---- start and stop ----

void Images::Implementation::take_up_version_deletions(const Image& image) {
  std::optional<std::string> after;
  do {
    const auto versions = world.metadata.list_versions(image.arn, {kPageRows, after});
    if (!versions) {
      log::error("the records of versions cannot be read", {{"error", versions.error().message()}});
      return;
    }
    for (const store::VersionRow& row : versions->rows) {
      const auto version = decode(row);
      if (version && version->state == VersionState::kDeleting) {
        plan_version_deletion(image, *version);
      }
    }
    after = versions->next;
  } while (after);
}

void Images::Implementation::fail_left_over(const store::BuildRow& row) {
  const auto image_row = world.metadata.image_by_arn(row.image_arn);
  const auto version_row = world.metadata.version(row.image_arn, row.version);
  if (!image_row || !*image_row || !version_row || !*version_row) {
    return;
  }
  auto image = decode(**image_row);
  auto version = decode(**version_row);
  auto build = decode(row);
  if (!image || !version || !build) {
    log::error("the records of a build left over cannot be read", {{"build", row.build_id}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ++builds_planned_;  // finish() takes it off
    ++builds_planned_by_account_[row.account];
  }
  // It may have come as far as the snapshot.
  Status removed = world.host.remove_snapshot(snapshot_directory(world.data_directory, image->id, version->version));
  if (removed) {
    removed = os::remove_tree(build_directory(world.data_directory, row.build_id));
  }
  if (!removed) {
    log::error("what was left of a build could not be removed", {{"error", removed.error().message()}});
  }
  finish({*std::move(image), *std::move(version), *std::move(build)},
         tl::unexpected(host::BuildFailure{
             kPlatformError,
             "The daemon restarted while the build was under way. Please create or update the image again.",
             std::nullopt}));
}

void Images::Implementation::start() {
  if (world.logs != nullptr) {
    world.logs->close_others("build-", {});  // none of an earlier daemon goes on
  }
  for (const BuildState state : {BuildState::kPending, BuildState::kInProgress}) {
    const auto rows = world.metadata.builds_in_state(to_string(state), kLeftOverRowsMax);
    if (!rows) {
      log::error("the records of builds cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (const store::BuildRow& row : *rows) {
      fail_left_over(row);
    }
  }
  if (const auto collected = collect_garbage(world.data_directory, world.metadata); !collected) {
    log::error("what is left of images and builds stays", {{"error", collected.error().message()}});
  }
  // No build is left, so what is UPDATING loses a version.
  for (const ImageState state : {ImageState::kDeleting, ImageState::kUpdating}) {
    const auto rows = world.metadata.images_in_state(to_string(state), kLeftOverRowsMax);
    if (!rows) {
      log::error("the records of images cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (const store::ImageRow& row : *rows) {
      const auto image = decode(row);
      if (image && state == ImageState::kDeleting) {
        plan_deletion(*image);
      } else if (image) {
        take_up_version_deletions(*image);
      }
    }
  }
}

void Images::Implementation::stop() {
  stopping_.cancel();
  builds_.stop();
  deletions_.stop();
}

}  // namespace dormouse::control
