// SPDX-License-Identifier: Apache-2.0

#include "control/image_builder.h"

#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "control/build_log.h"
#include "control/disk_budget.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/log_destinations.h"
#include "control/network_connectors.h"
#include "faults/fault_point.h"
#include "logs/log_writer.h"
#include "os/file.h"

namespace dormouse::control {

namespace {

constexpr std::uint64_t kArchiveBytesMax = std::uint64_t{2} << 30U;
constexpr const char* kPlatformError = "INTERNAL_PLATFORM_ERROR";

// What a build prints: into its file, and into the streams of the image's log group. Those of the application's guests are
// open while these run.
class Output {
 public:
  Output(World& world, const BuildJob& job, const std::filesystem::path& file)
      : logs_(world.logs), job_(job), container_(fmt::format("build-{}-container", job.build.build_id)), file_(file) {
    open(container_, "container");
  }
  ~Output() {
    if (logs_ != nullptr) {
      for (const std::string& source :
           {container_, host::snapshot_guest(job_.build.build_id), host::validation_guest(job_.build.build_id)}) {
        logs_->close(source);
      }
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text) {
    file_.write(text);
    if (logs_ != nullptr) {
      logs_->write(container_, {offset_, 0, text});
      offset_ += text.size();
    }
  }
  void line(std::string_view text) { write((file_.at_line_start() ? "" : "\n") + std::string(text) + "\n"); }

  void phase(std::string_view name) {
    if (name == "application") {
      open(host::snapshot_guest(job_.build.build_id), "snapshot");
    } else if (name == "validate" && build_hooks(job_.version.specification).validate.enabled) {
      open(host::validation_guest(job_.build.build_id), "validate");
    }
  }

 private:
  void open(const std::string& source, std::string_view part) {
    const auto destination = build_logs(job_.version, job_.build.build_id, part);
    if (logs_ != nullptr && destination) {
      logs_->open(source, *destination);
    }
  }

  logs::LogWriter* const logs_;
  const BuildJob& job_;
  const std::string container_;
  BuildLog file_;
  std::uint64_t offset_ = 0;  // bytes written
};

class Observer final : public host::BuildObserver {
 public:
  Observer(Output& output, const std::function<void(std::string_view)>& phase) : output_(output), phase_(phase) {}
  void log(std::string_view text) override { output_.write(text); }
  void phase(std::string_view name) override {
    output_.phase(name);
    phase_(name);
  }

 private:
  Output& output_;
  const std::function<void(std::string_view)>& phase_;
};

tl::unexpected<host::BuildFailure> platform_failure(std::string sentence) {
  return tl::unexpected(host::BuildFailure{kPlatformError, std::move(sentence), std::nullopt});
}

host::BuildRequest build_request(const World& world, const BuildJob& job, const std::filesystem::path& archive) {
  const ImageSpecification& specification = job.version.specification;
  host::BuildRequest request;
  request.build_id = job.build.build_id;
  request.archive = archive;
  request.destination = snapshot_directory(world.data_directory, job.image.id, job.version.version);
  request.size = size_of(specification);
  request.environment = build_environment({job.image.account, world.region}, job.image, job.version);
  request.all_capabilities =
      specification.additional_os_capabilities && !specification.additional_os_capabilities->empty();
  request.hooks = build_hooks(specification);
  request.egress = egress_of(world, specification.egress_network_connectors.value_or(std::vector<std::string>()));
  request.timeout = world.build_timeout;
  return request;
}

}  // namespace

tl::expected<host::BuildResult, host::BuildFailure> run_build(World& world,
                                                              const BuildJob& job,
                                                              const std::function<void(std::string_view)>& phase,
                                                              const os::Context& context) {
  const auto room = take_disk_room(world.disk, DiskBudget::Use::kBuild);
  if (!room) {
    std::string sentence = room.error().message() + ".";
    sentence[0] = 'T';  // of "the"
    return tl::unexpected(host::BuildFailure{"DISK_STORAGE_FULL", std::move(sentence), std::nullopt});
  }
  const std::filesystem::path directory = build_directory(world.data_directory, job.build.build_id);
  const std::filesystem::path log_file = build_log_file(world.data_directory, job.build.build_id);
  ScopeExit clean_up([&directory] {
    if (const Status removed = os::remove_tree(directory); !removed) {
      log::error("a build's directory could not be removed", {{"error", removed.error().message()}});
    }
  });
  for (const auto& needed : {directory, log_file.parent_path(), image_directory(world.data_directory, job.image.id)}) {
    if (const Status made = os::make_directories(needed); !made) {
      log::error("a build's directories could not be made", {{"error", made.error().message()}});
      return platform_failure(
          "The build could not start because of an internal error; the daemon's log has the details.");
    }
  }
  Output log(world, job, log_file);
  for (const std::string& notice : job.build.notices) {
    log.line(notice);
  }

  phase("archive");
  const std::filesystem::path archive = directory / "archive.zip";
  const auto fetched = world.artifacts.fetch(
      job.image.account, job.version.specification.code_artifact_uri, archive, kArchiveBytesMax, context);
  if (!fetched) {
    log.line(fetched.error().sentence);
    return tl::unexpected(host::BuildFailure{fetched.error().code, fetched.error().sentence, std::nullopt});
  }
  if (const Status going_on = faults::reach("build.fetched", {job.build.build_id}); !going_on) {
    return platform_failure(going_on.error().message());
  }
  Observer observer(log, phase);
  auto result = world.host.build(build_request(world, job, archive), observer, context);
  log.line(result ? "The build succeeded." : result.error().sentence);
  return result;
}

}  // namespace dormouse::control
