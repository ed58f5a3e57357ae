// SPDX-License-Identifier: Apache-2.0

#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "control/image_rules.h"
#include "control/images_implementation.h"
#include "control/network_connectors.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/tags.h"

namespace dormouse::control {

namespace {

constexpr std::size_t kPageRows = 50;

}  // namespace

Answer<void> check_changeable(const Image& image, const char* doing) {
  if (image.state == ImageState::kUpdating) {
    return refuse(ServiceErrorKind::kConflict, "MicroVM Image is already in state: UPDATING");
  }
  if (!next_state(image.state, ImageEvent::kUpdate)) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("Cannot {} MicroVM Image in its current state: {}", doing, image.arn));
  }
  return {};
}

// ---- a new version ----

Answer<void> Images::Implementation::check_version_quota(const Image& image) const {
  const auto allowed = world.quotas.of(image.account).versions_per_image;
  if (!allowed) {
    return {};
  }
  const auto versions = world.metadata.count_versions(image.arn);
  if (!versions) {
    return refuse_internally("count versions", versions.error());
  }
  if (*versions >= *allowed) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("The maximum number of versions ({}) has been reached for MicroVM image {}. It has {}. "
                              "Delete some. {}",
                              *allowed,
                              image.arn,
                              *versions,
                              how_to_raise(image.account, "versions-per-image")));
  }
  return {};
}

Answer<Images::Created> Images::Implementation::update(const std::string& account,
                                                       const std::string& identifier,
                                                       const ImageSpecification& specification,
                                                       const Repeatable& repeatable) {
  const Caller caller{account, world.region, world.image_names};
  const auto arn = accept_image_identifier(caller, identifier);
  if (!arn) {
    return tl::unexpected(arn.error());
  }
  const auto resolved = resolve_specification(caller, specification, world.foreign_architecture);
  if (!resolved) {
    return tl::unexpected(resolved.error());
  }
  const std::lock_guard lock(mutex_);
  if (auto replayed = replay(account, repeatable); !replayed || *replayed) {
    return std::move(replayed).map([](std::optional<Created> updated) { return *std::move(updated); });
  }
  auto image = find(account, *arn);
  if (!image) {
    return tl::unexpected(image.error());
  }
  if (const auto checked = check_changeable(*image, "update"); !checked) {
    return tl::unexpected(checked.error());
  }
  const auto& connectors = *resolved->egress_network_connectors;
  if (const auto checked = check_customer_connectors(world, caller, connectors); !checked) {
    return tl::unexpected(checked.error());
  }
  if (const auto reason = world.host.cannot_hold(size_of(*resolved))) {
    return refuse(ServiceErrorKind::kValidation, *reason);
  }
  if (const auto checked = check_version_quota(*image); !checked) {
    return tl::unexpected(checked.error());
  }
  if (const auto checked = check_build_capacity(account); !checked) {
    return tl::unexpected(checked.error());
  }
  advance(*image, ImageEvent::kUpdate);
  image->updated_at = rounded(world.clock.wall());
  ++image->last_major_version;
  const std::string version = fmt::format("{}.0", image->last_major_version);
  auto updated = begin(
      new_job(*image, version, *resolved, image->updated_at), repeatable, store::version_resource(image->arn, version));
  if (!updated) {
    return refuse_internally("store an image", updated.error());
  }
  return *std::move(updated);
}

// ---- tags ----

Answer<void> Images::Implementation::change_tags(const std::string& account,
                                                 const std::string& identifier,
                                                 const TagChange& change) {
  const std::lock_guard lock(mutex_);
  auto image = find(account, identifier);
  if (!image) {
    return tl::unexpected(image.error());
  }
  if (const auto changed = apply_change(image->tags, change); !changed) {
    return changed;
  }
  store::Changes changes;
  changes.images.push_back(encode(*image));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    return refuse_internally("store an image", stored.error());
  }
  return {};
}

// ---- ACTIVE and INACTIVE ----

Status Images::Implementation::look_over_versions(Image& image, const ImageVersion& changed) const {
  image.latest_active_version.reset();
  image.latest_failed_version.reset();
  std::optional<std::string> after;
  do {  // newest first
    DM_ASSIGN(auto versions, world.metadata.list_versions(image.arn, {kPageRows, after}), "");
    for (store::VersionRow& row : versions.rows) {
      if (row.version == changed.version) {
        row = encode(changed);
      }
      const bool active =
          row.state == to_string(VersionState::kSuccessful) && row.status == to_string(VersionStatus::kActive);
      if (active && !image.latest_active_version) {
        image.latest_active_version = row.version;
      }
      if (row.state == to_string(VersionState::kFailed) && !image.latest_failed_version) {
        image.latest_failed_version = row.version;
      }
    }
    after = versions.next;
  } while (after && !(image.latest_active_version && image.latest_failed_version));
  return {};
}

Answer<ImageVersion> Images::Implementation::set_status(const std::string& account,
                                                        const std::string& identifier,
                                                        const std::string& version,
                                                        VersionStatus status) {
  const std::lock_guard lock(mutex_);
  auto image = find(account, identifier);
  if (!image) {
    return tl::unexpected(image.error());
  }
  if (const auto checked = check_changeable(*image, "update"); !checked) {
    return tl::unexpected(checked.error());
  }
  auto found = find_version(account, identifier, version);
  if (!found || found->status == status) {
    return found;
  }
  if (found->state != VersionState::kSuccessful) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("Cannot update MicroVM Image version in its current state: {}, Version: {}, State: {}",
                              image->arn,
                              found->version,
                              to_string(found->state)));
  }
  found->status = status;
  found->updated_at = rounded(world.clock.wall());
  image->updated_at = found->updated_at;
  if (const Status looked = look_over_versions(*image, *found); !looked) {
    return refuse_internally("list versions", looked.error());
  }
  store::Changes changes;
  changes.images.push_back(encode(*image));
  changes.versions.push_back(encode(*found));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    return refuse_internally("store a version", stored.error());
  }
  return found;
}

}  // namespace dormouse::control
