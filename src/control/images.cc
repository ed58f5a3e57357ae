// SPDX-License-Identifier: Apache-2.0

#include "control/images.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/uuid.h"
#include "control/build_log.h"
#include "control/identifiers.h"
#include "control/image_builder.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/lifecycle.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/world.h"
#include "os/file.h"
#include "os/worker_pool.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

constexpr const char* kOperation = "CreateMicrovmImage";
constexpr std::chrono::hours kTokenLife{24};
constexpr std::chrono::seconds kBuildSlack{120};  // for the host's own clean-up after its timeout
constexpr std::size_t kWaitingBuildsMax = 32;
constexpr std::size_t kLeftOverRowsMax = 1000;
constexpr std::size_t kPageRows = 50;
constexpr const char* kPlatformError = "INTERNAL_PLATFORM_ERROR";
constexpr const char* kFirstVersion = "1.0";

tl::unexpected<ServiceError> image_not_found(const std::string& arn) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("MicroVMImage not found for MicroVMImageID: {}", arn));
}

tl::unexpected<ServiceError> version_not_found(const std::string& arn, const std::string& version) {
  return refuse(ServiceErrorKind::kResourceNotFound,
                fmt::format("MicroVMImage not found for MicroVMImage: {}, Version: {}", arn, version));
}

tl::unexpected<ServiceError> name_taken(const std::string& name) {
  return refuse(ServiceErrorKind::kValidation,
                fmt::format("A MicroVM image with the name '{}' already exists in this account", name));
}

// Moves a record along an edge of lifecycle.h; one that is not there is a bug, which is logged and changes nothing.
template <typename Record, typename Event>
void advance(Record& record, Event event) {
  if (const auto to = next_state(record.state, event)) {
    record.state = *to;
  } else {
    log::error("an event was not allowed", {{"state", std::string(to_string(record.state))}});
  }
}

template <typename Record, typename Row>
Answer<Page<Record>> to_page(const Result<store::RowPage<Row>>& rows, const char* doing) {
  if (!rows) {
    return refuse_internally(doing, rows.error());
  }
  Page<Record> page;
  page.next = rows->next;
  for (const Row& row : rows->rows) {
    auto record = decode(row);
    if (!record) {
      return refuse_internally(doing, record.error());
    }
    page.items.push_back(*std::move(record));
  }
  return page;
}

}  // namespace

class Images::Implementation {
 public:
  explicit Implementation(World& the_world)
      : world(the_world),
        builds_({static_cast<std::size_t>(std::max(1, the_world.concurrent_builds)), kWaitingBuildsMax + 1}),
        deletions_({1, 100'000}) {}

  Answer<Created> create(const std::string& account,
                         const std::string& name,
                         const ImageSpecification& specification,
                         const std::optional<Tags>& tags,
                         const std::optional<std::string>& client_token,
                         const std::string& digest);
  Answer<Image> remove(const std::string& account, const std::string& identifier);
  // The image that `identifier` names, in its account.
  Answer<Image> find(const std::string& account, const std::string& identifier) const;
  Answer<ImageVersion> find_version(const std::string& account,
                                    const std::string& identifier,
                                    const std::string& version) const;
  void start();
  void stop();

  World& world;
  std::function<void(const Build&)> observer;  // constant after start

 private:
  Answer<std::optional<Created>> replay(const std::string& account,
                                        const std::optional<std::string>& client_token,
                                        const std::string& digest) const;
  BuildJob new_job(const Caller& caller, const std::string& name, const ImageSpecification& resolved) const;
  void build(BuildJob job);
  void finish(BuildJob job, const tl::expected<host::BuildResult, host::BuildFailure>& result);
  void fail_left_over(const store::BuildRow& row);
  bool save(const BuildJob& job, bool with_image);
  void delete_image(const Image& image);
  Status delete_files(const Image& image);
  void plan_deletion(const Image& image);

  os::WorkerPool builds_;
  os::WorkerPool deletions_;
  const os::Cancellation stopping_;

  std::mutex mutex_;                // held while records of images are changed
  std::size_t builds_planned_ = 0;  // guarded by mutex_; waiting or under way
};

Answer<Image> Images::Implementation::find(const std::string& account, const std::string& identifier) const {
  const auto arn = accept_image_identifier({account, world.region}, identifier);
  if (!arn) {
    return tl::unexpected(arn.error());
  }
  const auto row = world.metadata.image_by_arn(*arn);
  if (!row) {
    return refuse_internally("read an image", row.error());
  }
  if (!*row || (*row)->account != account) {
    return image_not_found(*arn);
  }
  auto image = decode(**row);
  if (!image) {
    return refuse_internally("read an image", image.error());
  }
  return *std::move(image);
}

Answer<ImageVersion> Images::Implementation::find_version(const std::string& account,
                                                          const std::string& identifier,
                                                          const std::string& version) const {
  const auto image = find(account, identifier);
  if (!image) {
    return tl::unexpected(image.error());
  }
  const std::string normalized = normalized_version(version);
  const auto row = world.metadata.version(image->arn, normalized);
  if (!row) {
    return refuse_internally("read a version", row.error());
  }
  if (!*row) {
    return version_not_found(image->arn, normalized);
  }
  auto found = decode(**row);
  if (!found) {
    return refuse_internally("read a version", found.error());
  }
  return *std::move(found);
}

// ---- creation ----

Answer<std::optional<Images::Created>> Images::Implementation::replay(const std::string& account,
                                                                      const std::optional<std::string>& client_token,
                                                                      const std::string& digest) const {
  if (!client_token) {
    return std::nullopt;
  }
  const auto token = world.metadata.token(account, kOperation, *client_token, world.clock.wall());
  if (!token) {
    return refuse_internally("read a client token", token.error());
  }
  if (!*token) {
    return std::nullopt;
  }
  if ((*token)->digest != digest) {
    return refuse(ServiceErrorKind::kConflict,
                  "The clientToken was used before with different parameters; use another one for another request");
  }
  auto answer = decode_created((*token)->document);
  if (!answer) {
    return refuse_internally("read a client token", answer.error());
  }
  return *std::move(answer);
}

BuildJob Images::Implementation::new_job(const Caller& caller,
                                         const std::string& name,
                                         const ImageSpecification& resolved) const {
  BuildJob job;
  const WallTime now = rounded(world.clock.wall());
  job.image.account = caller.account;
  job.image.id = make_uuid();
  job.image.arn = image_arn(caller, name);
  job.image.name = name;
  job.image.created_at = now;
  job.image.updated_at = now;
  job.version.account = caller.account;
  job.version.image_arn = job.image.arn;
  job.version.version = kFirstVersion;
  job.version.specification = resolved;
  job.version.created_at = now;
  job.version.updated_at = now;
  job.build.account = caller.account;
  job.build.image_arn = job.image.arn;
  job.build.version = job.version.version;
  job.build.build_id = make_uuid();
  job.build.architecture = "X86_64";
  job.build.chipset = "INTEL";
  job.build.chipset_generation = "1";
  job.build.created_at = now;
  if (std::string notice = architecture_notice(resolved); !notice.empty()) {
    job.build.notices.push_back(std::move(notice));
  }
  return job;
}

Answer<Images::Created> Images::Implementation::create(const std::string& account,
                                                       const std::string& name,
                                                       const ImageSpecification& specification,
                                                       const std::optional<Tags>& tags,
                                                       const std::optional<std::string>& client_token,
                                                       const std::string& digest) {
  const Caller caller{account, world.region};
  const auto resolved = resolve_specification(caller, specification);
  if (!resolved) {
    return tl::unexpected(resolved.error());
  }
  const std::lock_guard lock(mutex_);
  if (auto replayed = replay(account, client_token, digest); !replayed || *replayed) {
    return std::move(replayed).map([](std::optional<Created> created) { return *std::move(created); });
  }
  const auto same_name = world.metadata.image_by_name(account, name);
  if (!same_name) {
    return refuse_internally("read an image", same_name.error());
  }
  if (*same_name) {
    return name_taken(name);
  }
  if (const auto reason = world.host.cannot_hold(size_of(*resolved))) {
    return refuse(ServiceErrorKind::kValidation, *reason);
  }
  const std::size_t builds_max = static_cast<std::size_t>(std::max(1, world.concurrent_builds)) + kWaitingBuildsMax;
  if (builds_planned_ >= builds_max) {
    return refuse(
        ServiceErrorKind::kServiceQuotaExceeded,
        fmt::format("The maximum number of concurrent builds ({}) has been reached for this account.", builds_max));
  }

  BuildJob job = new_job(caller, name, *resolved);
  job.image.tags = tags;
  Created created{job.image, job.version};
  store::Changes changes;
  changes.images.push_back(encode(job.image));
  changes.versions.push_back(encode(job.version));
  changes.builds.push_back(encode(job.build));
  if (client_token) {
    const WallTime now = world.clock.wall();
    changes.tokens.push_back({.account = account,
                              .operation = kOperation,
                              .token = *client_token,
                              .digest = digest,
                              .resource = job.image.arn,
                              .document = encode_answer(created),
                              .created_at = now,
                              .expires_at = now + kTokenLife});
  }
  if (const Status stored = world.metadata.apply(changes); !stored) {
    return stored.error().kind() == ErrorKind::kConflict ? name_taken(name)
                                                         : refuse_internally("store an image", stored.error());
  }
  ++builds_planned_;
  if (!builds_.post([this, job]() mutable { build(std::move(job)); })) {
    --builds_planned_;  // the daemon stops; the next one records the build as failed
  }
  return created;
}

// ---- building ----

// Returns whether the records were stored; they are what the next daemon finds.
bool Images::Implementation::save(const BuildJob& job, bool with_image) {
  store::Changes changes;
  if (with_image) {
    changes.images.push_back(encode(job.image));
  }
  changes.versions.push_back(encode(job.version));
  changes.builds.push_back(encode(job.build));
  const Status stored = world.metadata.apply(changes);
  if (!stored) {
    log::error("a build's records could not be stored",
               {{"build", job.build.build_id}, {"error", stored.error().message()}});
  }
  if (observer) {
    observer(job.build);
  }
  return stored.has_value();
}

void Images::Implementation::build(BuildJob job) {
  const auto deadline = std::chrono::steady_clock::now() + world.build_timeout + kBuildSlack;
  const os::Context context(stopping_, deadline);
  tl::expected<host::BuildResult, host::BuildFailure> result =
      tl::unexpected(host::BuildFailure{kPlatformError, "The daemon stopped before the build began.", std::nullopt});
  if (context.check("build")) {
    {
      const std::lock_guard lock(mutex_);
      advance(job.build, BuildEvent::kStart);
      advance(job.version, VersionEvent::kStart);
      save(job, false);
    }
    const auto phase = [&](std::string_view name) {
      const std::lock_guard lock(mutex_);
      job.build.phase = name;
      save(job, false);
    };
    result = run_build(world, job, phase, context);
    if (!result && stopping_.cancelled()) {
      result = tl::unexpected(
          host::BuildFailure{kPlatformError, "The daemon stopped while the build was under way.", std::nullopt});
    }
  }
  finish(std::move(job), result);
}

void Images::Implementation::finish(BuildJob job, const tl::expected<host::BuildResult, host::BuildFailure>& result) {
  const std::lock_guard lock(mutex_);
  --builds_planned_;
  if (const auto row = world.metadata.image_by_arn(job.image.arn); row && *row) {
    if (auto current = decode(**row)) {
      job.image = *std::move(current);
    }
  }
  job.image.updated_at = rounded(world.clock.wall());
  job.version.updated_at = job.image.updated_at;
  job.build.phase.clear();
  if (result) {
    job.build.memory_snapshot_bytes = result->memory_snapshot_bytes;
    job.build.code_install_bytes = result->code_install_bytes;
    job.build.disk_snapshot_bytes = result->disk_snapshot_bytes;
    job.build.notices.insert(job.build.notices.end(), result->notices.begin(), result->notices.end());
    job.version.status = VersionStatus::kActive;
    job.image.latest_active_version = job.version.version;
    advance(job.build, BuildEvent::kSucceed);
    advance(job.version, VersionEvent::kSucceed);
    advance(job.image, ImageEvent::kBuilt);
  } else {
    job.build.state_reason = printable(result.error().sentence);
    job.build.termination_reason_code = result.error().code;
    job.build.code_install_bytes = result.error().code_install_bytes;
    job.version.state_reason = job.build.state_reason;
    job.image.latest_failed_version = job.version.version;
    advance(job.build, BuildEvent::kFail);
    advance(job.version, VersionEvent::kFail);
    advance(job.image, ImageEvent::kFailed);
  }
  log::info("build",
            {{"id", job.build.build_id},
             {"image", job.image.arn},
             {"state", std::string(to_string(job.build.state))},
             {"reason", job.build.state_reason.value_or("")}});
  save(job, true);
}

// ---- deletion ----

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

Status Images::Implementation::delete_files(const Image& image) {
  std::optional<std::string> after_version;
  do {
    DM_ASSIGN(const auto versions, world.metadata.list_versions(image.arn, {kPageRows, after_version}), "");
    for (const store::VersionRow& version : versions.rows) {
      const auto snapshot = snapshot_directory(world.data_directory, image.id, version.version);
      if (version.state == to_string(VersionState::kSuccessful)) {
        DM_TRY(world.host.remove_snapshot(snapshot), "remove a snapshot");
      }
      std::optional<std::string> after_build;
      do {
        DM_ASSIGN(
            const auto builds, world.metadata.list_builds(image.arn, version.version, {kPageRows, after_build}), "");
        for (const store::BuildRow& build : builds.rows) {
          DM_TRY(os::remove_tree(build_log_file(world.data_directory, build.build_id)), "remove a build log");
        }
        after_build = builds.next;
      } while (after_build);
    }
    after_version = versions.next;
  } while (after_version);
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
  advance(failed, ImageEvent::kFailed);
  store::Changes changes;
  changes.images.push_back(encode(failed));
  if (const Status stored = world.metadata.apply(changes); !stored) {
    log::error("an image's record could not be stored", {{"error", stored.error().message()}});
  }
}

// ---- start and stop ----

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
  }
  finish({*std::move(image), *std::move(version), *std::move(build)},
         tl::unexpected(
             host::BuildFailure{kPlatformError,
                                "The daemon restarted while the build was under way. Please create the image again.",
                                std::nullopt}));
  if (const Status removed = os::remove_tree(build_directory(world.data_directory, row.build_id)); !removed) {
    log::error("a build's directory could not be removed", {{"error", removed.error().message()}});
  }
}

void Images::Implementation::start() {
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
  const auto rows = world.metadata.images_in_state(to_string(ImageState::kDeleting), kLeftOverRowsMax);
  if (!rows) {
    log::error("the records of images cannot be read", {{"error", rows.error().message()}});
    return;
  }
  for (const store::ImageRow& row : *rows) {
    if (const auto image = decode(row)) {
      plan_deletion(*image);
    }
  }
}

void Images::Implementation::stop() {
  stopping_.cancel();
  builds_.stop();
  deletions_.stop();
}

// ---- the interface ----

Images::Images(World& world) : implementation_(std::make_unique<Implementation>(world)) {}
Images::~Images() { stop(); }

Answer<Images::Created> Images::create(const std::string& account,
                                       const std::string& name,
                                       const ImageSpecification& specification,
                                       const std::optional<Tags>& tags,
                                       const std::optional<std::string>& client_token,
                                       const std::string& request_digest) {
  return implementation_->create(account, name, specification, tags, client_token, request_digest);
}

Answer<Image> Images::get(const std::string& account, const std::string& identifier) const {
  return implementation_->find(account, identifier);
}

Answer<Page<Image>> Images::list(const std::string& account,
                                 std::size_t limit,
                                 const std::optional<std::string>& after) const {
  return to_page<Image>(implementation_->world.metadata.list_images(account, {limit, after}), "list images");
}

Answer<Image> Images::remove(const std::string& account, const std::string& identifier) {
  return implementation_->remove(account, identifier);
}

Answer<ImageVersion> Images::get_version(const std::string& account,
                                         const std::string& identifier,
                                         const std::string& version) const {
  return implementation_->find_version(account, identifier, version);
}

Answer<Page<ImageVersion>> Images::list_versions(const std::string& account,
                                                 const std::string& identifier,
                                                 std::size_t limit,
                                                 const std::optional<std::string>& after) const {
  const auto image = get(account, identifier);
  if (!image) {
    return tl::unexpected(image.error());
  }
  return to_page<ImageVersion>(implementation_->world.metadata.list_versions(image->arn, {limit, after}),
                               "list versions");
}

Answer<Build> Images::get_build(const std::string& account,
                                const std::string& identifier,
                                const std::string& version,
                                const std::string& build_id) const {
  const auto found = get_version(account, identifier, version);
  if (!found) {
    return tl::unexpected(found.error());
  }
  const auto row = implementation_->world.metadata.build(build_id);
  if (!row) {
    return refuse_internally("read a build", row.error());
  }
  if (!*row || (*row)->image_arn != found->image_arn || (*row)->version != found->version) {
    return refuse(ServiceErrorKind::kResourceNotFound,
                  fmt::format("MicroVMImage build not found for MicroVMImage: {}, Version: {}, BuildId: {}",
                              found->image_arn,
                              found->version,
                              build_id));
  }
  auto build = decode(**row);
  if (!build) {
    return refuse_internally("read a build", build.error());
  }
  return *std::move(build);
}

Answer<Page<Build>> Images::list_builds(const std::string& account,
                                        const std::string& identifier,
                                        const std::string& version,
                                        std::size_t limit,
                                        const std::optional<std::string>& after) const {
  const auto found = get_version(account, identifier, version);
  if (!found) {
    return tl::unexpected(found.error());
  }
  return to_page<Build>(implementation_->world.metadata.list_builds(found->image_arn, found->version, {limit, after}),
                        "list builds");
}

Answer<Images::LogPiece> Images::build_log(const std::string& account,
                                           const std::string& identifier,
                                           const std::string& version,
                                           const std::string& build_id,
                                           std::uint64_t offset) const {
  const auto build = get_build(account, identifier, version, build_id);  // before the file: its end is then known
  if (!build) {
    return tl::unexpected(build.error());
  }
  auto piece = read_build_log(build_log_file(implementation_->world.data_directory, build_id), offset);
  if (!piece) {
    return refuse_internally("read a build log", piece.error());
  }
  const bool ended = build->state == BuildState::kSuccessful || build->state == BuildState::kFailed;
  const std::uint64_t next_offset = offset + piece->text.size();
  return LogPiece{std::move(piece->text), next_offset, ended && piece->at_end};
}

Answer<ImageVersion> Images::launchable(const std::string& account,
                                        const std::string& identifier,
                                        const std::optional<std::string>& version) const {
  const auto nothing_active = [&](const std::string& arn) {
    return refuse(
        ServiceErrorKind::kResourceNotFound,
        version ? fmt::format(
                      "No active version found for MicroVM image {} and version {}", arn, normalized_version(*version))
                : fmt::format("No active version found for MicroVM image {}", arn));
  };
  const auto image = get(account, identifier);
  if (!image) {
    if (image.error().kind == ServiceErrorKind::kResourceNotFound) {
      return nothing_active(identifier);
    }
    return tl::unexpected(image.error());
  }
  const bool ready = image->state == ImageState::kCreated || image->state == ImageState::kUpdated ||
                     image->state == ImageState::kUpdating || image->state == ImageState::kUpdateFailed;
  const std::optional<std::string> wanted = version ? version : image->latest_active_version;
  if (!ready || !wanted) {
    return nothing_active(image->arn);
  }
  auto found = get_version(account, image->arn, *wanted);
  if (!found && found.error().kind != ServiceErrorKind::kResourceNotFound) {
    return found;
  }
  if (!found || found->state != VersionState::kSuccessful || found->status != VersionStatus::kActive) {
    return nothing_active(image->arn);
  }
  return found;
}

void Images::on_change(std::function<void(const Build&)> observer) { implementation_->observer = std::move(observer); }

void Images::start() { implementation_->start(); }

void Images::stop() { implementation_->stop(); }

}  // namespace dormouse::control
