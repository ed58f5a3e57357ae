// SPDX-License-Identifier: Apache-2.0
//
// What the members of records are called in their documents (document.h, docs/formats/database.md): a new member is one
// line here. Members that are columns of the row are not in the document.

#pragma once

#include <array>

#include "control/document.h"
#include "control/images.h"
#include "control/records.h"
#include "host/host.h"
#include "store/rows.h"

namespace dormouse::control {

template <typename Document>
void members(Document& document, typename Document::template As<Logging>& logging) {
  document("disabled", logging.disabled);
  document("log_group", logging.log_group);
  document("log_stream", logging.log_stream);
}

template <typename Document>
void members(Document& document, typename Document::template As<HookSetting>& setting) {
  document("enabled", setting.enabled);
  document("timeout_seconds", setting.timeout_seconds);
  document("enabled_given", setting.enabled_given);
}

template <typename Document>
void members(Document& document, typename Document::template As<Hooks>& hooks) {
  document("port", hooks.port);
  document("microvm_hooks_given", hooks.microvm_hooks_given);
  document("run", hooks.run);
  document("resume", hooks.resume);
  document("suspend", hooks.suspend);
  document("terminate", hooks.terminate);
  document("image_hooks_given", hooks.image_hooks_given);
  document("ready", hooks.ready);
  document("validate", hooks.validate);
}

template <typename Document>
void members(Document& document, typename Document::template As<ImageSpecification>& specification) {
  document("base_image_arn", specification.base_image_arn);
  document("base_image_version", specification.base_image_version);
  document("build_role_arn", specification.build_role_arn);
  document("code_artifact_uri", specification.code_artifact_uri);
  document("description", specification.description);
  document("logging", specification.logging);
  document("egress_network_connectors", specification.egress_network_connectors);
  document("cpu_architectures", specification.cpu_architectures);
  document("minimum_memory_in_mib", specification.minimum_memory_in_mib);
  document("additional_os_capabilities", specification.additional_os_capabilities);
  document("hooks", specification.hooks);
  document("environment_variables", specification.environment_variables);
}

template <typename Document>
void members(Document& document, typename Document::template As<IdlePolicy>& policy) {
  document("max_idle_duration_seconds", policy.max_idle_duration_seconds);
  document("suspended_duration_seconds", policy.suspended_duration_seconds);
  document("auto_resume_enabled", policy.auto_resume_enabled);
}

inline constexpr std::array<Spelling<host::VmExit::Cause>, 4> kExitCauses = {{
    {host::VmExit::Cause::kApplicationExited, "application exited"},
    {host::VmExit::Cause::kVmmDied, "vmm died"},
    {host::VmExit::Cause::kGuestFailed, "guest failed"},
    {host::VmExit::Cause::kDiskFull, "disk full"},
}};

template <typename Document>
void members(Document& document, typename Document::template As<host::VmExit>& exit) {
  document("cause", exit.cause, std::span<const Spelling<host::VmExit::Cause>>(kExitCauses));
  document("exit_code", exit.exit_code);
  document("signal", exit.signal);
  document("out_of_memory", exit.out_of_memory);
  document("last_output", exit.last_output);
  document("sentence", exit.sentence);
}

// ---- whole records ----

template <typename Document>
void members(Document& document, typename Document::template As<Image>& image) {
  document("latest_active_version", image.latest_active_version);
  document("latest_failed_version", image.latest_failed_version);
  document("tags", image.tags);
  document("last_major_version", image.last_major_version);
  document("updated_at", image.updated_at);
}

template <typename Document>
void members(Document& document, typename Document::template As<ImageVersion>& version) {
  document("specification", version.specification);
  document("state_reason", version.state_reason);
  document("updated_at", version.updated_at);
  document("state_changed_at", version.state_changed_at);
}

template <typename Document>
void members(Document& document, typename Document::template As<Build>& build) {
  document("architecture", build.architecture);
  document("chipset", build.chipset);
  document("chipset_generation", build.chipset_generation);
  document("processor", build.processor);
  document("state_reason", build.state_reason);
  document("termination_reason_code", build.termination_reason_code);
  document("memory_snapshot_bytes", build.memory_snapshot_bytes);
  document("code_install_bytes", build.code_install_bytes);
  document("disk_snapshot_bytes", build.disk_snapshot_bytes);
  document("notices", build.notices);
  document("phase", build.phase);
}

template <typename Document>
void members(Document& document, typename Document::template As<NetworkConnector>& connector) {
  document("subnet_ids", connector.configuration.subnet_ids);
  document("security_group_ids", connector.configuration.security_group_ids);
  document("network_protocol", connector.configuration.network_protocol);
  document("compute_resource_types", connector.configuration.compute_resource_types);
  document("operator_role", connector.operator_role);
  document("version", connector.version);
  document("tags", connector.tags);
  document("state_reason", connector.state_reason);
  document("last_update_status", connector.last_update_status);
  document("last_update_reason", connector.last_update_reason);
  document("last_modified", connector.last_modified);
}

inline constexpr std::array<Spelling<host::Isolation>, 2> kIsolations = {{
    {host::Isolation::kKvm, "kvm"},
    {host::Isolation::kTcg, "tcg"},
}};

template <typename Document>
void members(Document& document, typename Document::template As<Microvm>& microvm) {
  document("endpoint", microvm.endpoint);
  document("memory_mib", microvm.memory_mib);
  document("maximum_duration_seconds", microvm.maximum_duration_seconds);
  document("suspended_at", microvm.suspended_at);
  document("state_reason", microvm.state_reason);
  document("termination_reason_code", microvm.termination_reason_code);
  document("execution_role_arn", microvm.execution_role_arn);
  document("idle_policy", microvm.idle_policy);
  document("ingress_network_connectors", microvm.ingress_network_connectors);
  document("egress_network_connectors", microvm.egress_network_connectors);
  document("hooks", microvm.hooks);
  document("log_group", microvm.log_group);
  document("log_stream", microvm.log_stream);
  document("isolation", microvm.isolation, std::span<const Spelling<host::Isolation>>(kIsolations));
  document("isolation_reason", microvm.isolation_reason);
  document("parent_microvm_id", microvm.parent_microvm_id);
  document("exit", microvm.exit);
  document("last_output", microvm.last_output);
  document("resumes", microvm.resumes);
}

// ---- rows, for the answers that client tokens stand for: an answer is the record as it was ----

template <typename Document>
void members(Document& document, typename Document::template As<store::ImageRow>& row) {
  document("id", row.id);
  document("account", row.account);
  document("arn", row.arn);
  document("name", row.name);
  document("state", row.state);
  document("created_at", row.created_at);
  document("document", row.document);
}

template <typename Document>
void members(Document& document, typename Document::template As<store::VersionRow>& row) {
  document("image_arn", row.image_arn);
  document("version", row.version);
  document("account", row.account);
  document("state", row.state);
  document("status", row.status);
  document("created_at", row.created_at);
  document("document", row.document);
}

template <typename Document>
void members(Document& document, typename Document::template As<store::MicrovmRow>& row) {
  document("microvm_id", row.microvm_id);
  document("account", row.account);
  document("endpoint_id", row.endpoint_id);
  document("image_arn", row.image_arn);
  document("image_version", row.image_version);
  document("state", row.state);
  document("created_at", row.created_at);
  document("terminated_at", row.terminated_at);
  document("document", row.document);
}

}  // namespace dormouse::control
