// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/uuid.h"
#include "control/build_log.h"
#include "control/client_tokens.h"
#include "control/decoded_page.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/images_implementation.h"
#include "control/network_connectors.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/tags.h"
#include "telemetry/telemetry.h"

namespace dormouse::control {

namespace {

constexpr std::chrono::seconds kBuildSlack{120};  // for the host's own clean-up after its timeout
constexpr std::size_t kWaitingBuildsMax = 32;
constexpr const char* kPlatformError = "INTERNAL_PLATFORM_ERROR";
constexpr const char* kFirstVersion = "1.0";

tl::unexpected<ServiceError> name_taken(const std::string& name) {
  return refuse(ServiceErrorKind::kValidation,
                fmt::format("A MicroVM image with the name '{}' already exists in this account", name));
}

}  // namespace

tl::unexpected<ServiceError> image_not_found(const std::string& arn) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("MicroVMImage not found for MicroVMImageID: {}", arn));
}

tl::unexpected<ServiceError> version_not_found(const std::string& arn, const std::string& version) {
  return refuse(ServiceErrorKind::kResourceNotFound,
                fmt::format("MicroVMImage not found for MicroVMImage: {}, Version: {}", arn, version));
}

Images::Implementation::Implementation(World& the_world)
    : world(the_world),
      builds_({static_cast<std::size_t>(std::max(1, the_world.concurrent_builds)), kWaitingBuildsMax + 1}),
      deletions_({1, 100'000}) {}

Answer<Image> Images::Implementation::find(const std::string& account, const std::string& identifier) const {
  const auto arn = accept_image_identifier({account, world.region, world.image_names}, identifier);
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
  return answer_of(decode(**row), "read an image");
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
  return answer_of(decode(**row), "read a version");
}

// ---- creation ----

Answer<std::optional<Images::Created>> Images::Implementation::replay(const std::string& account,
                                                                      const Repeatable& repeatable) const {
  if (!repeatable.client_token) {
    return std::nullopt;
  }
  const TokenUse use{account, repeatable.operation, *repeatable.client_token, repeatable.digest};
  const auto token = find_token(world.metadata, use, world.clock.wall());
  if (!token) {
    return tl::unexpected(token.error());
  }
  if (!*token) {
    return std::nullopt;
  }
  return answer_of(decode_created((*token)->document), "read a client token");
}

Answer<void> Images::Implementation::check_image_quota(const std::string& account) const {
  const auto allowed = world.quotas.of(account).images;
  if (!allowed) {
    return {};
  }
  const auto images = world.metadata.count_images(account);
  if (!images) {
    return refuse_internally("count images", images.error());
  }
  if (*images >= *allowed) {
    return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                  fmt::format("The maximum number of MicroVM images ({}) has been reached for this account. It has {}. "
                              "Delete some. {}",
                              *allowed,
                              *images,
                              how_to_raise(account, "images")));
  }
  return {};
}

Answer<void> Images::Implementation::check_build_capacity(const std::string& account) const {
  const auto planned = builds_planned_by_account_.find(account);
  const auto allowed = world.quotas.of(account).concurrent_builds;
  if (allowed && planned != builds_planned_by_account_.end() && planned->second >= *allowed) {
    return refuse(
        ServiceErrorKind::kServiceQuotaExceeded,
        fmt::format("The maximum number of concurrent builds ({}) has been reached for this account. {} are waiting or "
                    "under way. {}",
                    *allowed,
                    planned->second,
                    how_to_raise(account, "concurrent-builds")));
  }
  const std::size_t builds_max = static_cast<std::size_t>(std::max(1, world.concurrent_builds)) + kWaitingBuildsMax;
  if (builds_planned_ >= builds_max) {
    return refuse(
        ServiceErrorKind::kServiceQuotaExceeded,
        fmt::format(
            "The maximum number of concurrent builds ({}) has been reached on this host. {} of all accounts are "
            "waiting or under way. Whoever runs this Dormouse can raise it by --concurrent-builds, which is {}",
            builds_max,
            builds_planned_,
            world.concurrent_builds));
  }
  return {};
}

BuildJob Images::Implementation::new_job(const Image& image,
                                         const std::string& version,
                                         const ImageSpecification& resolved,
                                         WallTime now) const {
  BuildJob job;
  job.image = image;
  job.version.account = image.account;
  job.version.image_arn = image.arn;
  job.version.version = version;
  job.version.specification = resolved;
  job.version.created_at = now;
  job.version.updated_at = now;
  job.version.state_changed_at = now;
  job.build.account = image.account;
  job.build.image_arn = image.arn;
  job.build.version = version;
  job.build.build_id = make_uuid();
  job.build.architecture = "X86_64";
  job.build.chipset = "INTEL";
  job.build.chipset_generation = "1";
  job.build.processor = world.processor;
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
                                                       const Repeatable& repeatable) {
  const Caller caller{account, world.region};
  const auto resolved = resolve_specification(caller, specification, world.foreign_architecture);
  if (!resolved) {
    return tl::unexpected(resolved.error());
  }
  if (const auto checked = check_tag_count(tags.value_or(Tags())); !checked) {
    return tl::unexpected(checked.error());
  }
  const std::lock_guard lock(mutex_);
  if (auto replayed = replay(account, repeatable); !replayed || *replayed) {
    return std::move(replayed).map([](std::optional<Created> created) { return *std::move(created); });
  }
  const auto& connectors = *resolved->egress_network_connectors;
  if (const auto checked = check_customer_connectors(world, caller, connectors); !checked) {
    return tl::unexpected(checked.error());
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
  if (const auto checked = check_image_quota(account); !checked) {
    return tl::unexpected(checked.error());
  }
  if (const auto checked = check_build_capacity(account); !checked) {
    return tl::unexpected(checked.error());
  }

  Image image;
  image.account = account;
  image.id = make_uuid();
  image.arn = image_arn(caller, name);
  image.name = name;
  image.tags = tags;
  image.last_major_version = 1;
  image.created_at = rounded(world.clock.wall());
  image.updated_at = image.created_at;
  auto created = begin(new_job(image, kFirstVersion, *resolved, image.created_at), repeatable, image.arn);
  if (!created) {
    return created.error().kind() == ErrorKind::kConflict ? name_taken(name)
                                                          : refuse_internally("store an image", created.error());
  }
  return *std::move(created);
}

Result<Images::Created> Images::Implementation::begin(const BuildJob& job,
                                                      const Repeatable& repeatable,
                                                      const std::string& made) {
  Created created{job.image, job.version};
  store::Changes changes;
  changes.images.push_back(encode(job.image));
  changes.versions.push_back(encode(job.version));
  changes.builds.push_back(encode(job.build));
  if (repeatable.client_token) {
    changes.tokens.push_back(
        token_row({job.image.account, repeatable.operation, *repeatable.client_token, repeatable.digest},
                  made,
                  encode_answer(created),
                  world.clock.wall()));
  }
  DM_TRY(world.metadata.apply(changes), "");
  ++builds_planned_;
  ++builds_planned_by_account_[job.image.account];
  if (!builds_.post([this, job]() mutable { build(std::move(job)); })) {
    build_ended(job.image.account);  // the daemon stops; the next one records the build as failed
  }
  return created;
}

void Images::Implementation::build_ended(const std::string& account) {
  --builds_planned_;
  if (const auto planned = builds_planned_by_account_.find(account);
      planned != builds_planned_by_account_.end() && --planned->second == 0) {
    builds_planned_by_account_.erase(planned);
  }
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

// A phase of a build as the step of a trace: a name that lives for ever.
static const char* step_name(std::string_view phase) {
  for (const char* known : {"archive", "container", "application", "snapshot", "validate"}) {
    if (phase == known) {
      return known;
    }
  }
  return "other";
}

void Images::Implementation::build(BuildJob job) {
  const auto deadline = std::chrono::steady_clock::now() + world.build_timeout + kBuildSlack;
  const tracing::Trace trace = telemetry::begin(world.telemetry, {"build", job.image.name, job.image.account, ""}, {});
  tracing::Span step;
  const os::Context context = os::Context(stopping_, deadline).traced(trace);
  tl::expected<host::BuildResult, host::BuildFailure> result =
      tl::unexpected(host::BuildFailure{kPlatformError, "The daemon stopped before the build began.", std::nullopt});
  if (context.check("build")) {
    {
      const std::lock_guard lock(mutex_);
      advance(job.build, BuildEvent::kStart);
      advance(job.version, VersionEvent::kStart, rounded(world.clock.wall()));
      save(job, false);
    }
    const auto phase = [&](std::string_view name) {
      step.succeed();
      step = trace.span(step_name(name));
      const std::lock_guard lock(mutex_);
      job.build.phase = name;
      save(job, false);
    };
    result = run_build(world, job, phase, context);
    step.end(tracing::outcome_of(result));
    if (!result && stopping_.cancelled()) {
      result = tl::unexpected(
          host::BuildFailure{kPlatformError, "The daemon stopped while the build was under way.", std::nullopt});
    }
  }
  if (result) {
    trace.count_bytes(tracing::Direction::kWritten, result->memory_snapshot_bytes);
  }
  finish(std::move(job), result);
  trace.finish(tracing::outcome_of(result));
}

void Images::Implementation::finish(BuildJob job, const tl::expected<host::BuildResult, host::BuildFailure>& result) {
  const std::lock_guard lock(mutex_);
  build_ended(job.image.account);
  if (const auto row = world.metadata.image_by_arn(job.image.arn); row && *row) {
    if (auto current = decode(**row)) {
      job.image = *std::move(current);
    }
  }
  job.image.updated_at = rounded(world.clock.wall());
  job.build.phase.clear();
  if (result) {
    job.build.memory_snapshot_bytes = result->memory_snapshot_bytes;
    job.build.code_install_bytes = result->code_install_bytes;
    job.build.disk_snapshot_bytes = result->disk_snapshot_bytes;
    job.build.notices.insert(job.build.notices.end(), result->notices.begin(), result->notices.end());
    job.version.status = VersionStatus::kActive;
    job.image.latest_active_version = job.version.version;
    advance(job.build, BuildEvent::kSucceed);
    advance(job.version, VersionEvent::kSucceed, job.image.updated_at);
    advance(job.image, ImageEvent::kBuilt);
  } else {
    job.build.state_reason = printable(result.error().sentence);
    job.build.termination_reason_code = result.error().code;
    job.build.code_install_bytes = result.error().code_install_bytes;
    job.version.state_reason = job.build.state_reason;
    job.image.latest_failed_version = job.version.version;
    advance(job.build, BuildEvent::kFail);
    advance(job.version, VersionEvent::kFail, job.image.updated_at);
    advance(job.image, ImageEvent::kFailed);
  }
  log::info("build",
            {{"id", job.build.build_id},
             {"image", job.image.arn},
             {"state", std::string(to_string(job.build.state))},
             {"reason", job.build.state_reason.value_or("")}});
  save(job, true);
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
  return implementation_->create(
      account, name, specification, tags, {"CreateMicrovmImage", client_token, request_digest});
}

Answer<Images::Created> Images::update(const std::string& account,
                                       const std::string& identifier,
                                       const ImageSpecification& specification,
                                       const std::optional<std::string>& client_token,
                                       const std::string& request_digest) {
  return implementation_->update(
      account, identifier, specification, {"UpdateMicrovmImage", client_token, request_digest});
}

Answer<ImageVersion> Images::set_status(const std::string& account,
                                        const std::string& identifier,
                                        const std::string& version,
                                        VersionStatus status) {
  return implementation_->set_status(account, identifier, version, status);
}

Answer<ImageVersion> Images::remove_version(const std::string& account,
                                            const std::string& identifier,
                                            const std::string& version) {
  return implementation_->remove_version(account, identifier, version);
}

Answer<Image> Images::get(const std::string& account, const std::string& identifier) const {
  return implementation_->find(account, identifier);
}

Answer<Page<Image>> Images::list(const std::string& account,
                                 std::size_t limit,
                                 const std::optional<std::string>& after) const {
  return decoded_page(implementation_->world.metadata.list_images(account, {limit, after}), "list images");
}

Answer<Image> Images::remove(const std::string& account, const std::string& identifier) {
  return implementation_->remove(account, identifier);
}

Answer<void> Images::change_tags(const std::string& account, const std::string& identifier, const TagChange& change) {
  return implementation_->change_tags(account, identifier, change);
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
  return decoded_page(implementation_->world.metadata.list_versions(image->arn, {limit, after}), "list versions");
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
  return answer_of(decode(**row), "read a build");
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
  return decoded_page(implementation_->world.metadata.list_builds(found->image_arn, found->version, {limit, after}),
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
  const auto image = get(account, identifier);
  if (!image) {
    if (image.error().kind == ServiceErrorKind::kResourceNotFound) {
      return nothing_active(identifier, version);
    }
    return tl::unexpected(image.error());
  }
  const bool ready = image->state == ImageState::kCreated || image->state == ImageState::kUpdated ||
                     image->state == ImageState::kUpdating || image->state == ImageState::kUpdateFailed;
  const std::optional<std::string> wanted = version ? version : image->latest_active_version;
  if (!ready || !wanted) {
    return nothing_active(image->arn, version);
  }
  auto found = get_version(account, image->arn, *wanted);
  if (!found && found.error().kind != ServiceErrorKind::kResourceNotFound) {
    return found;
  }
  if (!found || found->state != VersionState::kSuccessful || found->status != VersionStatus::kActive) {
    return nothing_active(image->arn, version);
  }
  return found;
}

std::size_t Images::Implementation::concurrent_builds(const std::string& account) {
  const std::lock_guard lock(mutex_);
  const auto planned = builds_planned_by_account_.find(account);
  return planned == builds_planned_by_account_.end() ? 0 : planned->second;
}

std::vector<std::string_view> Images::accepted_architectures() const {
  return control::accepted_architectures(implementation_->world.foreign_architecture);
}

std::size_t Images::concurrent_builds(const std::string& account) const {
  return implementation_->concurrent_builds(account);
}

void Images::on_change(std::function<void(const Build&)> observer) { implementation_->observer = std::move(observer); }

ImageHolds& Images::holds() { return implementation_->holds; }

void Images::start() { implementation_->start(); }

void Images::stop() { implementation_->stop(); }

}  // namespace dormouse::control
