// SPDX-License-Identifier: Apache-2.0

#include "api/input.h"

#include <algorithm>
#include <initializer_list>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "aws/digest.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;

const json::object* optional_object(const json::object& input, std::string_view member) {
  const json::value* value = input.if_contains(member);
  return value == nullptr ? nullptr : value->if_object();
}

// The same value with the keys of every object in order.
json::value canonical(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    json::array ordered;
    for (const json::value& element : *array) {
      ordered.push_back(canonical(element));
    }
    return ordered;
  }
  if (const json::object* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& entry : *object) {
      keys.push_back(entry.key());
    }
    std::sort(keys.begin(), keys.end());
    json::object ordered;
    for (const std::string_view key : keys) {
      ordered[key] = canonical(object->at(key));
    }
    return ordered;
  }
  return value;
}

std::string canonical_text(json::object input, std::initializer_list<std::string_view> left_out) {
  for (const std::string_view member : left_out) {
    input.erase(member);
  }
  return json::serialize(canonical(input));
}

std::optional<control::Logging> optional_logging(const json::object& input) {
  const json::object* logging = optional_object(input, "logging");
  if (logging == nullptr) {
    return std::nullopt;
  }
  control::Logging result;
  result.disabled = logging->contains("disabled");
  if (const json::object* cloud_watch = optional_object(*logging, "cloudWatch")) {
    result.log_group = optional_text(*cloud_watch, "logGroup");
    result.log_stream = optional_text(*cloud_watch, "logStream");
  }
  return result;
}

control::HookSetting hook_setting(const json::object& hooks, std::string_view name) {
  control::HookSetting setting;
  const std::optional<std::string> state = optional_text(hooks, name);
  setting.enabled_given = state.has_value();
  setting.enabled = state == "ENABLED";
  setting.timeout_seconds = optional_number(hooks, std::string(name) + "TimeoutInSeconds");
  return setting;
}

std::optional<control::Hooks> optional_hooks(const json::object& input) {
  const json::object* hooks = optional_object(input, "hooks");
  if (hooks == nullptr) {
    return std::nullopt;
  }
  control::Hooks result;
  result.port = optional_number(*hooks, "port");
  if (const json::object* microvm = optional_object(*hooks, "microvmHooks")) {
    result.microvm_hooks_given = true;
    result.run = hook_setting(*microvm, "run");
    result.resume = hook_setting(*microvm, "resume");
    result.suspend = hook_setting(*microvm, "suspend");
    result.terminate = hook_setting(*microvm, "terminate");
  }
  if (const json::object* image = optional_object(*hooks, "microvmImageHooks")) {
    result.image_hooks_given = true;
    result.ready = hook_setting(*image, "ready");
    result.validate = hook_setting(*image, "validate");
  }
  return result;
}

// `part` of each element of a list of structures.
template <typename Value>
std::optional<std::vector<Value>> optional_parts(const json::object& input,
                                                 std::string_view member,
                                                 std::string_view part) {
  const json::value* list = input.if_contains(member);
  if (list == nullptr) {
    return std::nullopt;
  }
  std::vector<Value> parts;
  for (const json::value& element : list->as_array()) {
    parts.push_back(json::value_to<Value>(element.as_object().at(part)));
  }
  return parts;
}

}  // namespace

std::string required_text(const json::object& input, std::string_view member) {
  return std::string(input.at(member).as_string());
}

std::optional<std::string> optional_text(const json::object& input, std::string_view member) {
  const json::value* value = input.if_contains(member);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value->as_string());
}

std::optional<int> optional_number(const json::object& input, std::string_view member) {
  const json::value* value = input.if_contains(member);
  return value == nullptr ? std::nullopt : std::optional<int>(static_cast<int>(value->as_int64()));
}

std::optional<std::vector<std::string>> optional_texts(const json::object& input, std::string_view member) {
  const json::value* value = input.if_contains(member);
  return value == nullptr ? std::nullopt : std::optional(json::value_to<std::vector<std::string>>(*value));
}

std::optional<std::map<std::string, std::string>> optional_text_map(const json::object& input,
                                                                    std::string_view member) {
  const json::value* value = input.if_contains(member);
  return value == nullptr ? std::nullopt : std::optional(json::value_to<std::map<std::string, std::string>>(*value));
}

control::ImageSpecification image_specification(const json::object& input) {
  control::ImageSpecification specification;
  specification.base_image_arn = required_text(input, "baseImageArn");
  specification.base_image_version = optional_text(input, "baseImageVersion");
  specification.build_role_arn = required_text(input, "buildRoleArn");
  specification.code_artifact_uri = required_text(input.at("codeArtifact").as_object(), "uri");
  specification.description = optional_text(input, "description");
  specification.logging = optional_logging(input);
  specification.egress_network_connectors = optional_texts(input, "egressNetworkConnectors");
  specification.cpu_architectures = optional_parts<std::string>(input, "cpuConfigurations", "architecture");
  specification.minimum_memory_in_mib = optional_parts<int>(input, "resources", "minimumMemoryInMiB");
  specification.additional_os_capabilities = optional_texts(input, "additionalOsCapabilities");
  specification.hooks = optional_hooks(input);
  specification.environment_variables = optional_text_map(input, "environmentVariables");
  return specification;
}

std::optional<control::IdlePolicy> optional_policy(const json::object& input) {
  const json::object* const policy = optional_object(input, "idlePolicy");
  if (policy == nullptr) {
    return std::nullopt;
  }
  return control::IdlePolicy{
      static_cast<int>(policy->at("maxIdleDurationSeconds").as_int64()),
      static_cast<int>(policy->at("suspendedDurationSeconds").as_int64()),
      policy->at("autoResumeEnabled").as_bool(),
  };
}

control::ForkRequest fork_request(const json::object& input) {
  control::ForkRequest request;
  request.count = optional_number(input, "count").value_or(1);
  request.idle_policy = optional_policy(input);
  request.maximum_duration_seconds = optional_number(input, "maximumDurationInSeconds");
  request.run_hook_payload = optional_text(input, "runHookPayload");
  return request;
}

control::RunRequest run_request(const json::object& input) {
  control::RunRequest request;
  request.image_identifier = required_text(input, "imageIdentifier");
  request.image_version = optional_text(input, "imageVersion");
  request.ingress_network_connectors = optional_texts(input, "ingressNetworkConnectors");
  request.egress_network_connectors = optional_texts(input, "egressNetworkConnectors");
  request.execution_role_arn = optional_text(input, "executionRoleArn");
  request.idle_policy = optional_policy(input);
  request.logging = optional_logging(input);
  request.run_hook_payload = optional_text(input, "runHookPayload");
  request.maximum_duration_seconds = optional_number(input, "maximumDurationInSeconds");
  request.client_token = optional_text(input, "clientToken");
  return request;
}

std::string request_digest(const json::object& input) {
  return aws::sha256_hex(canonical_text(input, {"clientToken", "ClientToken"}));
}

std::string page_scope(std::string_view account, std::string_view operation, const json::object& input) {
  const std::string filters = canonical_text(input, {"maxResults", "nextToken", "MaxItems", "Marker", "limit"});
  return fmt::format("{}\n{}\n{}", account, operation, filters);
}

}  // namespace dormouse::api
