// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/records.h"
#include "control/service_error.h"

namespace dormouse::control {

class ImageHolds;
class World;  // control/world.h: clock, identity, host, metadata, artifacts, workers

// A page of a listing, and where the next begins (an opaque position, not yet a client's token).
template <typename T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next;
};

// Images, versions and builds: their records, their rules (specification sections 4.1, 4.2, 5), and the queue that builds.
//
// Invariants: a record is durable before a client hears of it; a version is ACTIVE only when its snapshot is published;
// one task at a time changes one image. Thread-safe; calls block on the metadata store, never on a build.
class Images {
 public:
  explicit Images(World& world);
  ~Images();
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;

  struct Created {
    Image image;
    ImageVersion version;
  };
  // The build starts by itself. Repeated with the same token and content it answers as the first time.
  Answer<Created> create(const std::string& account,
                         const std::string& name,
                         const ImageSpecification& specification,
                         const std::optional<Tags>& tags,
                         const std::optional<std::string>& client_token,
                         const std::string& request_digest);

  // A new major version with this specification and nothing of the one before; its build starts by itself and the old
  // version serves meanwhile. Allowed from every state that is not changing, CREATE_FAILED and UPDATE_FAILED too.
  Answer<Created> update(const std::string& account,
                         const std::string& identifier,
                         const ImageSpecification& specification,
                         const std::optional<std::string>& client_token,
                         const std::string& request_digest);

  Answer<Image> get(const std::string& account, const std::string& identifier) const;
  Answer<Page<Image>> list(const std::string& account,
                           std::size_t limit,
                           const std::optional<std::string>& after) const;
  // Answers the image with state DELETING; its disk space goes in the background.
  Answer<Image> remove(const std::string& account, const std::string& identifier);

  Answer<void> change_tags(const std::string& account, const std::string& identifier, const TagChange& change);

  Answer<ImageVersion> get_version(const std::string& account,
                                   const std::string& identifier,
                                   const std::string& version) const;
  // Of a SUCCESSFUL version: INACTIVE blocks launches and leaves VMs alone.
  Answer<ImageVersion> set_status(const std::string& account,
                                  const std::string& identifier,
                                  const std::string& version,
                                  VersionStatus status);
  // Answers the version with state DELETING; the image is UPDATING until its disk space has gone. Refused for the last
  // version, and while a VM of it lives: a sleeping VM stands on its version's snapshot.
  Answer<ImageVersion> remove_version(const std::string& account,
                                      const std::string& identifier,
                                      const std::string& version);
  Answer<Page<ImageVersion>> list_versions(const std::string& account,
                                           const std::string& identifier,
                                           std::size_t limit,
                                           const std::optional<std::string>& after) const;
  Answer<Build> get_build(const std::string& account,
                          const std::string& identifier,
                          const std::string& version,
                          const std::string& build_id) const;
  Answer<Page<Build>> list_builds(const std::string& account,
                                  const std::string& identifier,
                                  const std::string& version,
                                  std::size_t limit,
                                  const std::optional<std::string>& after) const;

  // The build's output from byte `offset` on, at most 64 KiB, and whether more may come. For `dormouse image logs`.
  struct LogPiece {
    std::string text;
    std::uint64_t next_offset = 0;
    bool complete = false;
  };
  Answer<LogPiece> build_log(const std::string& account,
                             const std::string& identifier,
                             const std::string& version,
                             const std::string& build_id,
                             std::uint64_t offset) const;

  // The version that a launch takes: the one named, or the latest active one. For Microvms.
  Answer<ImageVersion> launchable(const std::string& account,
                                  const std::string& identifier,
                                  const std::optional<std::string>& version) const;

  // What `cpuConfigurations` may name.
  std::vector<std::string_view> accepted_architectures() const;

  // Of this account, waiting or under way.
  std::size_t concurrent_builds(const std::string& account) const;

  // What keeps versions from being deleted beside VMs.
  ImageHolds& holds();

  // `observer` is called after each change of a build's record, in order for each build, from any thread. To be set before
  // start() and the first create().
  void on_change(std::function<void(const Build&)> observer);

  void start();  // takes up builds that an earlier daemon left: they fail with INTERNAL_PLATFORM_ERROR and a sentence
  void stop();   // cancels builds under way (they are recorded as failed) and waits for them

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace dormouse::control
