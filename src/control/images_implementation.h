// SPDX-License-Identifier: Apache-2.0
//
// Inside of Images: images.cc creates and builds, image_updates.cc changes, image_deletion.cc removes and takes up what an
// earlier daemon left.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/log.h"
#include "control/identifiers.h"
#include "control/image_builder.h"
#include "control/image_holds.h"
#include "control/images.h"
#include "control/lifecycle.h"
#include "control/world.h"
#include "os/context.h"
#include "os/worker_pool.h"
#include "store/metadata_store.h"

namespace dormouse::control {

class Images::Implementation {
 public:
  explicit Implementation(World& the_world);

  // The client's token with what it was sent with: what makes a repeated request the same one.
  struct Repeatable {
    const char* operation;
    const std::optional<std::string>& client_token;
    const std::string& digest;
  };

  Answer<Created> create(const std::string& account,
                         const std::string& name,
                         const ImageSpecification& specification,
                         const std::optional<Tags>& tags,
                         const Repeatable& repeatable);
  Answer<Created> update(const std::string& account,
                         const std::string& identifier,
                         const ImageSpecification& specification,
                         const Repeatable& repeatable);
  Answer<ImageVersion> set_status(const std::string& account,
                                  const std::string& identifier,
                                  const std::string& version,
                                  VersionStatus status);
  Answer<ImageVersion> remove_version(const std::string& account,
                                      const std::string& identifier,
                                      const std::string& version);
  Answer<Image> remove(const std::string& account, const std::string& identifier);
  Answer<void> change_tags(const std::string& account, const std::string& identifier, const TagChange& change);
  // The image that `identifier` names, in its account.
  Answer<Image> find(const std::string& account, const std::string& identifier) const;
  Answer<ImageVersion> find_version(const std::string& account,
                                    const std::string& identifier,
                                    const std::string& version) const;
  std::size_t concurrent_builds(const std::string& account);
  void start();
  void stop();

  World& world;
  ImageHolds holds;
  std::function<void(const Build&)> observer;  // constant after start

 private:
  Answer<std::optional<Created>> replay(const std::string& account, const Repeatable& repeatable) const;
  Answer<void> check_image_quota(const std::string& account) const;
  Answer<void> check_version_quota(const Image& image) const;
  Answer<void> check_build_capacity(const std::string& account) const;
  BuildJob new_job(const Image& image,
                   const std::string& version,
                   const ImageSpecification& resolved,
                   WallTime now) const;
  // Stores the records and the token, then plans the build. The token ends with what was `made`: the image or the version
  // (TokenRow::resource).
  Result<Created> begin(const BuildJob& job, const Repeatable& repeatable, const std::string& made);
  void build_ended(const std::string& account);
  void build(BuildJob job);
  void finish(BuildJob job, const tl::expected<host::BuildResult, host::BuildFailure>& result);
  void fail_left_over(const store::BuildRow& row);
  bool save(const BuildJob& job, bool with_image);
  // Sets what an image says of its versions, of which `changed` is about to be stored.
  Status look_over_versions(Image& image, const ImageVersion& changed) const;
  void delete_image(const Image& image);
  void delete_version(const Image& image, const ImageVersion& version);
  Status delete_files(const Image& image);
  Status delete_version_files(const Image& image, const std::string& version);
  Status forget_version(const Image& image, ImageVersion version, const Status& deleted);
  void plan_deletion(const Image& image);
  void plan_version_deletion(const Image& image, const ImageVersion& version);
  void take_up_version_deletions(const Image& image);

  os::WorkerPool builds_;
  os::WorkerPool deletions_;
  const os::Cancellation stopping_;

  std::mutex mutex_;                                              // held while records of images are changed
  std::size_t builds_planned_ = 0;                                // guarded by mutex_; waiting or under way
  std::map<std::string, std::size_t> builds_planned_by_account_;  // guarded by mutex_; the same, no zeros
};

tl::unexpected<ServiceError> image_not_found(const std::string& arn);
tl::unexpected<ServiceError> version_not_found(const std::string& arn, const std::string& version);

// Refuses what changes an image that changes already, or that cannot change.
Answer<void> check_changeable(const Image& image, const char* doing);

// Moves a record along an edge of lifecycle.h; one that is not there is a bug, which is logged and changes nothing.
template <typename Record, typename Event>
void advance(Record& record, Event event) {
  if (const auto to = next_state(record.state, event)) {
    record.state = *to;
  } else {
    log::error("an event was not allowed", {{"state", std::string(to_string(record.state))}});
  }
}

// The same of a version, which remembers when.
inline void advance(ImageVersion& version, VersionEvent event, WallTime now) {
  advance(version, event);
  version.updated_at = now;
  version.state_changed_at = now;
}

}  // namespace dormouse::control
