// SPDX-License-Identifier: Apache-2.0

#include "control/image_builder.h"

#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "control/build_log.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/network_connectors.h"
#include "os/file.h"

namespace dormouse::control {

namespace {

constexpr std::uint64_t kArchiveBytesMax = std::uint64_t{2} << 30U;
constexpr const char* kPlatformError = "INTERNAL_PLATFORM_ERROR";

class Observer final : public host::BuildObserver {
 public:
  Observer(BuildLog& log, const std::function<void(std::string_view)>& phase) : log_(log), phase_(phase) {}
  void log(std::string_view text) override { log_.write(text); }
  void phase(std::string_view name) override { phase_(name); }

 private:
  BuildLog& log_;
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
  BuildLog log(log_file);
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
  Observer observer(log, phase);
  auto result = world.host.build(build_request(world, job, archive), observer, context);
  log.line(result ? "The build succeeded." : result.error().sentence);
  return result;
}

}  // namespace dormouse::control
