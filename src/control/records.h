// SPDX-License-Identifier: Apache-2.0
//
// The service's resources as the control layer keeps them: plain values, copied freely. Names and enumerators are those
// of the wire contract (specification sections 1 to 4); optional means that the wire has null there.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "host/host.h"
#include "tracing/trace.h"

namespace dormouse::control {

using Tags = std::map<std::string, std::string>;

enum class ImageState {
  kCreating,
  kCreated,
  kCreateFailed,
  kUpdating,
  kUpdated,
  kUpdateFailed,
  kDeleting,
  kDeleteFailed,
  kDeleted
};
enum class VersionState { kPending, kInProgress, kSuccessful, kFailed, kDeleting, kDeleted, kDeleteFailed };
enum class VersionStatus { kActive, kInactive };
enum class BuildState { kPending, kInProgress, kSuccessful, kFailed };
enum class ConnectorState { kPending, kActive, kInactive, kFailed, kDeleting, kDeleteFailed };
enum class MicrovmState { kPending, kRunning, kSuspending, kSuspended, kTerminating, kTerminated };

// The wire's spelling, e.g. "CREATE_FAILED".
std::string_view to_string(ImageState state);
std::string_view to_string(VersionState state);
std::string_view to_string(VersionStatus status);
std::string_view to_string(BuildState state);
std::string_view to_string(ConnectorState state);
std::string_view to_string(MicrovmState state);

// What TagResource and UntagResource ask for.
struct TagChange {
  Tags put;
  std::vector<std::string> remove;
};

// `logging` of the contract: a union.
struct Logging {
  bool disabled = false;
  std::optional<std::string> log_group;
  std::optional<std::string> log_stream;
};

struct HookSetting {
  bool enabled = false;
  std::optional<int> timeout_seconds;
  bool enabled_given = false;  // the member was present in the request; else it is echoed as null
};

// `hooks` of the contract, as given.
struct Hooks {
  std::optional<int> port;
  bool microvm_hooks_given = false;
  HookSetting run, resume, suspend, terminate;
  bool image_hooks_given = false;
  HookSetting ready, validate;
};

// What CreateMicrovmImage (and later UpdateMicrovmImage) takes, after the constraint layer.
struct ImageSpecification {
  std::string base_image_arn;
  std::optional<std::string> base_image_version;
  std::string build_role_arn;
  std::string code_artifact_uri;
  std::optional<std::string> description;
  std::optional<Logging> logging;
  std::optional<std::vector<std::string>> egress_network_connectors;
  std::optional<std::vector<std::string>> cpu_architectures;  // cpuConfigurations
  std::optional<std::vector<int>> minimum_memory_in_mib;      // resources
  std::optional<std::vector<std::string>> additional_os_capabilities;
  std::optional<Hooks> hooks;
  std::optional<std::map<std::string, std::string>> environment_variables;
};

struct Image {
  std::string account;
  std::string id;  // UUID
  std::string arn;
  std::string name;
  ImageState state = ImageState::kCreating;
  std::optional<std::string> latest_active_version;
  std::optional<std::string> latest_failed_version;
  std::optional<Tags> tags;
  int last_major_version = 1;  // ever given out, so that the number of a deleted version is not used again
  WallTime created_at;
  WallTime updated_at;
};

struct ImageVersion {
  std::string account;
  std::string image_arn;
  std::string version;  // "1.0"
  VersionState state = VersionState::kPending;
  VersionStatus status = VersionStatus::kInactive;
  ImageSpecification specification;  // with the defaults of section 1.4 resolved
  std::optional<std::string> state_reason;
  WallTime created_at;
  WallTime updated_at;
  WallTime state_changed_at;  // before updated_at, where the status was set since
};

struct Build {
  std::string account;
  std::string image_arn;
  std::string version;
  std::string build_id;  // UUID
  BuildState state = BuildState::kPending;
  std::string architecture;        // "X86_64"
  std::string chipset;             // "INTEL"
  std::string chipset_generation;  // "1"
  std::string processor;           // of the host that built, as its kernel names it; empty: unknown
  std::optional<std::string> state_reason;
  std::optional<std::string> termination_reason_code;  // section 5.5
  std::optional<std::uint64_t> memory_snapshot_bytes;
  std::optional<std::uint64_t> code_install_bytes;
  std::optional<std::uint64_t> disk_snapshot_bytes;
  std::vector<std::string> notices;
  std::string phase;  // of a build in progress, see host::BuildObserver
  WallTime created_at;
};

// VpcEgressConfiguration. What the model leaves optional may be missing here; the service's rules come after.
struct ConnectorConfiguration {
  std::vector<std::string> subnet_ids;
  std::optional<std::vector<std::string>> security_group_ids;
  std::optional<std::string> network_protocol;
  std::vector<std::string> compute_resource_types;
  bool operator==(const ConnectorConfiguration&) const = default;
};

struct NetworkConnector {
  std::string account;
  std::string id;  // "nc-<uuid>"
  std::string arn;
  std::string name;  // unique in its account
  ConnectorState state = ConnectorState::kPending;
  ConnectorConfiguration configuration;
  std::string operator_role;
  std::int64_t version = 1;  // one more with each update that changes something
  std::optional<Tags> tags;
  std::optional<std::string> state_reason;
  std::optional<std::string> last_update_status;
  std::optional<std::string> last_update_reason;
  WallTime created_at;
  WallTime last_modified;
  std::optional<WallTime> deleted_at;  // it is gone, and kept for a while to be deleted again
};

struct IdlePolicy {
  int max_idle_duration_seconds = 0;
  int suspended_duration_seconds = 0;
  bool auto_resume_enabled = false;
};

// What RunMicrovm takes, after the constraint layer.
struct RunRequest {
  std::string image_identifier;
  std::optional<std::string> image_version;
  std::optional<std::vector<std::string>> ingress_network_connectors;
  std::optional<std::vector<std::string>> egress_network_connectors;
  std::optional<std::string> execution_role_arn;
  std::optional<IdlePolicy> idle_policy;
  std::optional<Logging> logging;
  std::optional<std::string> run_hook_payload;
  std::optional<int> maximum_duration_seconds;
  std::optional<std::string> client_token;
  tracing::Cause cause{};  // the call
};

struct Microvm {
  std::string account;
  std::string microvm_id;  // "microvm-<uuid>"
  MicrovmState state = MicrovmState::kPending;
  std::string endpoint_id;  // the UUID in the host name; not that of microvm_id
  std::string endpoint;     // whole host name, with the port unless 443
  std::string image_arn;
  std::string image_version;
  int memory_mib = 2048;  // the size asked for, which the quota counts
  int maximum_duration_seconds = 28'800;
  WallTime started_at;
  std::optional<WallTime> terminated_at;
  std::optional<WallTime> suspended_at;
  std::optional<std::string> state_reason;
  std::optional<std::string> termination_reason_code;
  std::optional<std::string> execution_role_arn;
  std::optional<IdlePolicy> idle_policy;
  std::vector<std::string> ingress_network_connectors;
  std::vector<std::string> egress_network_connectors;
  Hooks hooks;                           // of the image version, as they were at the launch
  std::optional<std::string> log_group;  // where its output goes; none: it is not kept
  std::optional<std::string> log_stream;
  // Dormouse's own, for descriptions:
  std::optional<std::string> parent_microvm_id;  // that it was forked from
  std::optional<host::Isolation> isolation;
  std::string isolation_reason;
  std::optional<host::VmExit> exit;  // what ended it
  std::string last_output;           // of the application, once TERMINATED: its end, 4 KiB at most
  int resumes = 0;
};

// What a fork takes. What is not given the children have from their source.
struct ForkRequest {
  static constexpr int kCountMax = 100;
  int count = 1;
  std::optional<IdlePolicy> idle_policy;
  std::optional<int> maximum_duration_seconds;
  std::optional<std::string> run_hook_payload;
};

// What a VM was at one moment; it stays when the VM goes.
struct Checkpoint {
  std::string checkpoint_id;        // "checkpoint-<uuid>"
  std::optional<std::string> name;  // unique among those of its VM
  WallTime created_at;
  std::uint64_t bytes = 0;  // on disk
  Microvm source;           // the VM's record at that moment
};

}  // namespace dormouse::control
