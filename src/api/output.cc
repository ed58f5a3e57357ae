// SPDX-License-Identifier: Apache-2.0

#include "api/output.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "aws/time.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

template <typename Value>
void set(json::object& object, std::string_view member, const std::optional<Value>& value) {
  if (value) {
    object[member] = json::value_from(*value);
  }
}

void set_time(json::object& object, std::string_view member, const std::optional<WallTime>& time) {
  if (time) {
    object[member] = aws::to_epoch_seconds(*time);
  }
}

json::object logging_members(const control::Logging& logging) {
  json::object members;
  if (logging.disabled) {
    members["disabled"] = json::object();
    return members;
  }
  json::object cloud_watch;
  set(cloud_watch, "logGroup", logging.log_group);
  set(cloud_watch, "logStream", logging.log_stream);
  members["cloudWatch"] = std::move(cloud_watch);
  return members;
}

void set_hook(json::object& hooks, std::string_view name, const control::HookSetting& setting) {
  if (setting.enabled_given) {
    hooks[name] = setting.enabled ? "ENABLED" : "DISABLED";
  }
  set(hooks, std::string(name) + "TimeoutInSeconds", setting.timeout_seconds);
}

json::object hooks_members(const control::Hooks& hooks) {
  json::object members;
  set(members, "port", hooks.port);
  if (hooks.microvm_hooks_given) {
    json::object microvm;
    set_hook(microvm, "run", hooks.run);
    set_hook(microvm, "resume", hooks.resume);
    set_hook(microvm, "suspend", hooks.suspend);
    set_hook(microvm, "terminate", hooks.terminate);
    members["microvmHooks"] = std::move(microvm);
  }
  if (hooks.image_hooks_given) {
    json::object image;
    set_hook(image, "ready", hooks.ready);
    set_hook(image, "validate", hooks.validate);
    members["microvmImageHooks"] = std::move(image);
  }
  return members;
}

// A list of structures with one member.
template <typename Value>
void set_parts(json::object& object,
               std::string_view member,
               std::string_view part,
               const std::optional<std::vector<Value>>& values) {
  if (!values) {
    return;
  }
  json::array list;
  for (const Value& value : *values) {
    json::object element;
    element[part] = value;
    list.push_back(std::move(element));
  }
  object[member] = std::move(list);
}

void set_specification(json::object& members, const control::ImageSpecification& specification) {
  members["baseImageArn"] = specification.base_image_arn;
  set(members, "baseImageVersion", specification.base_image_version);
  members["buildRoleArn"] = specification.build_role_arn;
  members["codeArtifact"] = json::object{{"uri", specification.code_artifact_uri}};
  set(members, "description", specification.description);
  if (specification.logging) {
    members["logging"] = logging_members(*specification.logging);
  }
  set(members, "egressNetworkConnectors", specification.egress_network_connectors);
  set_parts(members, "cpuConfigurations", "architecture", specification.cpu_architectures);
  set_parts(members, "resources", "minimumMemoryInMiB", specification.minimum_memory_in_mib);
  set(members, "additionalOsCapabilities", specification.additional_os_capabilities);
  if (specification.hooks) {
    members["hooks"] = hooks_members(*specification.hooks);
  }
  set(members, "environmentVariables", specification.environment_variables);
}

// "SUCCESSFUL#26073006": state, then the hour since which it is that.
std::string time_bucket(const control::ImageVersion& version) {
  const WallTime since = std::max(version.created_at, version.state_changed_at);  // an older program did not keep it
  const std::time_t changed = std::chrono::system_clock::to_time_t(since);
  return fmt::format("{}#{:%y%m%d%H}", control::to_string(version.state), fmt::gmtime(changed));
}

}  // namespace

json::object image_members(const control::Image& image) {
  json::object members;
  members["id"] = image.id;
  members["imageArn"] = image.arn;
  members["name"] = image.name;
  members["state"] = control::to_string(image.state);
  set(members, "latestActiveImageVersion", image.latest_active_version);
  set(members, "latestFailedImageVersion", image.latest_failed_version);
  set_time(members, "createdAt", image.created_at);
  set_time(members, "updatedAt", image.updated_at);
  members["tags"] = json::value_from(image.tags.value_or(control::Tags()));
  return members;
}

json::object created_members(const control::Images::Created& created) {
  json::object members = image_members(created.image);
  members.erase("tags");
  set(members, "tags", created.image.tags);
  members["imageVersion"] = created.version.version;
  set_specification(members, created.version.specification);
  return members;
}

json::object version_members(const control::ImageVersion& version) {
  json::object members;
  members["imageArn"] = version.image_arn;
  members["imageVersion"] = version.version;
  members["state"] = control::to_string(version.state);
  members["status"] = control::to_string(version.status);
  set(members, "stateReason", version.state_reason);
  set_specification(members, version.specification);
  set_time(members, "createdAt", version.created_at);
  set_time(members, "updatedAt", version.updated_at);
  members["versionStateTimeBucket"] = time_bucket(version);
  return members;
}

json::object build_members(const control::Build& build) {
  json::object members;
  members["imageArn"] = build.image_arn;
  members["imageVersion"] = build.version;
  members["buildId"] = build.build_id;
  members["buildState"] = control::to_string(build.state);
  members["architecture"] = build.architecture;
  members["chipset"] = build.chipset;
  members["chipsetGeneration"] = build.chipset_generation;
  set(members, "stateReason", build.state_reason);
  set(members, "terminationReasonCode", build.termination_reason_code);
  set_time(members, "createdAt", build.created_at);
  if (build.memory_snapshot_bytes || build.code_install_bytes || build.disk_snapshot_bytes) {
    json::object sizes;
    set(sizes, "memorySnapshotSizeInBytes", build.memory_snapshot_bytes);
    set(sizes, "codeInstallSizeInBytes", build.code_install_bytes);
    set(sizes, "diskSnapshotSizeInBytes", build.disk_snapshot_bytes);
    members["snapshotBuild"] = std::move(sizes);
  }
  return members;
}

json::object connector_members(const control::NetworkConnector& connector) {
  const control::ConnectorConfiguration& configuration = connector.configuration;
  json::object egress;
  egress["SubnetIds"] = json::value_from(configuration.subnet_ids);
  set(egress, "SecurityGroupIds", configuration.security_group_ids);
  set(egress, "NetworkProtocol", configuration.network_protocol);
  egress["AssociatedComputeResourceTypes"] = json::value_from(configuration.compute_resource_types);
  json::object members;
  members["Arn"] = connector.arn;
  members["Name"] = connector.name;
  members["Id"] = connector.id;
  members["Type"] = "VPC_EGRESS";
  members["Version"] = connector.version;
  members["Configuration"] = json::object{{"VpcEgressConfiguration", std::move(egress)}};
  members["OperatorRole"] = connector.operator_role;
  members["State"] = control::to_string(connector.state);
  set(members, "StateReason", connector.state_reason);
  set(members, "LastUpdateStatus", connector.last_update_status);
  set(members, "LastUpdateStatusReason", connector.last_update_reason);
  set_time(members, "LastModified", connector.last_modified);
  return members;
}

json::object microvm_members(const control::Microvm& microvm) {
  json::object members;
  members["microvmId"] = microvm.microvm_id;
  members["state"] = control::to_string(microvm.state);
  members["endpoint"] = microvm.endpoint;
  members["imageArn"] = microvm.image_arn;
  members["imageVersion"] = microvm.image_version;
  members["maximumDurationInSeconds"] = microvm.maximum_duration_seconds;
  set_time(members, "startedAt", microvm.started_at);
  set_time(members, "terminatedAt", microvm.terminated_at);
  set(members, "executionRoleArn", microvm.execution_role_arn);
  if (microvm.idle_policy) {
    json::object policy;
    policy["maxIdleDurationSeconds"] = microvm.idle_policy->max_idle_duration_seconds;
    policy["suspendedDurationSeconds"] = microvm.idle_policy->suspended_duration_seconds;
    policy["autoResumeEnabled"] = microvm.idle_policy->auto_resume_enabled;
    members["idlePolicy"] = std::move(policy);
  }
  set(members, "stateReason", microvm.state_reason);
  set(members, "terminationReasonCode", microvm.termination_reason_code);
  members["ingressNetworkConnectors"] = json::value_from(microvm.ingress_network_connectors);
  members["egressNetworkConnectors"] = json::value_from(microvm.egress_network_connectors);
  return members;
}

control::Answer<json::object> nothing(const control::Answer<void>& answer) {
  return answer.map([] { return json::object(); });
}

}  // namespace dormouse::api
