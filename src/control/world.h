// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "control/identifiers.h"
#include "control/quotas.h"
#include "host/host.h"

namespace dormouse::store {
class MetadataStore;
}
namespace dormouse::logs {
class LogWriter;
}
namespace dormouse::telemetry {
class Telemetry;
}

namespace dormouse::control {

class DiskBudget;

// Where build archives come from. Blocking.
class ArtifactSource {
 public:
  struct Failure {
    std::string code;      // S3_..., INTERNAL_PLATFORM_ERROR (specification section 5.5)
    std::string sentence;  // for the tenant
  };
  virtual ~ArtifactSource() = default;
  // Puts the object at `uri` ("s3://bucket/key") into the new file `target`, at most `size_bytes_max` long.
  virtual tl::expected<void, Failure> fetch(const std::string& account,
                                            const std::string& uri,
                                            const std::filesystem::path& target,
                                            std::uint64_t size_bytes_max,
                                            const os::Context& context) = 0;
};

// What becomes of a VM whose /suspend hook fails: the documentation says that it runs on, the live service ended it.
enum class SuspendHookFailure { kKeepRunning, kTerminate };

// What the control layer stands on. Constant after construction; everything in it outlives Images and Microvms.
class World {
 public:
  Clock& clock;
  host::Host& host;
  store::MetadataStore& metadata;
  ArtifactSource& artifacts;
  std::filesystem::path data_directory;  // DIR of --data-dir
  std::string region = "us-east-1";
  std::string endpoint_domain = "localhost";  // <uuid>.lambda-microvm.<region>.<endpoint_domain>
  int endpoint_port = 9643;                   // left out of `endpoint` when 443
  std::string processor{};                    // the host's, as its kernel names it
  int concurrent_builds = 2;
  std::chrono::milliseconds drain_timeout{5'000};     // that a suspension waits for requests under way
  std::chrono::seconds terminated_retention{86'400};  // that a TERMINATED VM stays listed
  std::chrono::seconds build_timeout{3'600};
  std::optional<std::chrono::hours> checkpoint_age_max{};  // after which checkpoints go; none: when they are deleted
  SuspendHookFailure suspend_hook_failure = SuspendHookFailure::kKeepRunning;
  host::Egress customer_egress = host::Egress::kNone;    // of VMs and builds with customer connectors alone
  std::chrono::milliseconds connector_settle_time{200};  // after which a connector is ACTIVE, or gone
  ForeignArchitecture foreign_architecture = ForeignArchitecture::kBuild;
  bool image_names = false;  // images may be named by their bare names too, not by ARN alone
  AccountQuotas quotas{};
  logs::LogWriter* logs = nullptr;   // takes what VMs and builds print; none: that is not kept
  std::size_t microvm_workers = 32;  // launches and resumptions under way at once; as many suspensions and terminations
  std::optional<std::uint64_t> memory_budget_bytes{};  // of all VMs' private memory together; MemoryBudget
  telemetry::Telemetry* telemetry = nullptr;           // none: nothing is measured
  DiskBudget* disk = nullptr;                          // none: only a full disk refuses
};

}  // namespace dormouse::control
