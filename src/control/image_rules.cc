// SPDX-License-Identifier: Apache-2.0

#include "control/image_rules.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "control/sizes.h"

namespace dormouse::control {

namespace {

constexpr std::chrono::seconds kRuntimeHookTimeout{1};  // the model's defaults
constexpr std::chrono::seconds kBuildHookTimeout{30};
constexpr std::string_view kReservedPrefix = "AWS_LAMBDA_";
constexpr std::array<std::string_view, 7> kReservedVariables = {
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
};

bool is_reserved(std::string_view name) {
  return name.starts_with(kReservedPrefix) ||
         std::find(kReservedVariables.begin(), kReservedVariables.end(), name) != kReservedVariables.end();
}

bool is_s3_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "s3://";
  if (!uri.starts_with(kScheme)) {
    return false;
  }
  uri.remove_prefix(kScheme.size());
  const std::size_t slash = uri.find('/');
  return slash != std::string_view::npos && slash > 0 && slash + 1 < uri.size();
}

Answer<void> check_hooks(const Hooks& hooks) {
  const bool lifecycle = hooks.run.enabled || hooks.resume.enabled || hooks.suspend.enabled || hooks.terminate.enabled;
  if (lifecycle && !hooks.ready.enabled) {
    return refuse(ServiceErrorKind::kValidation,
                  "The ready (/ready) MicroVM image hook must be enabled when any MicroVM lifecycle hook (run, resume, "
                  "suspend or terminate) is enabled");
  }
  if ((hooks.ready.enabled || hooks.validate.enabled) && !hooks.port) {
    return refuse(ServiceErrorKind::kValidation, "The hooks port must be specified when any hook is enabled");
  }
  return {};
}

Answer<void> check_environment(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> reserved;
  for (const auto& [name, value] : variables) {
    if (is_reserved(name)) {
      reserved.push_back(name);
    }
    if (name.find('=') != std::string::npos || name.find('\0') != std::string::npos ||
        value.find('\0') != std::string::npos) {
      return refuse(ServiceErrorKind::kValidation,
                    fmt::format("The environment variable '{}' cannot be set: a name holds no '=' and neither name nor "
                                "value a zero byte",
                                name));
    }
  }
  if (!reserved.empty()) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("The environment variables contain reserved keys, which cannot be set: {}",
                              fmt::join(reserved, ", ")));
  }
  return {};
}

Answer<void> check_size(const ImageSpecification& specification) {
  for (const int size : *specification.minimum_memory_in_mib) {
    if (!peak_size(size)) {
      return refuse(ServiceErrorKind::kValidation,
                    fmt::format("The requested memory size of {} MiB is not supported by base MicroVM image {}. "
                                "Supported memory sizes in MiB are: [{}].",
                                size,
                                specification.base_image_arn,
                                fmt::join(kMemorySizesMib, ", ")));
    }
  }
  return {};
}

Answer<void> check_architectures(const std::vector<std::string>& architectures, ForeignArchitecture foreign) {
  const std::vector<std::string_view> accepted = accepted_architectures(foreign);
  for (const std::string& architecture : architectures) {
    if (std::find(accepted.begin(), accepted.end(), architecture) == accepted.end()) {
      constexpr const char* kRemedy =
          " Whoever runs this Dormouse can have such images built for its host's: --foreign-architecture build";
      return refuse(ServiceErrorKind::kValidation,
                    fmt::format("The architecture '{}' is not supported. Supported architectures are: [{}].{}",
                                architecture,
                                fmt::join(accepted, ", "),
                                foreign == ForeignArchitecture::kRefuse ? kRemedy : ""));
    }
  }
  return {};
}

host::Hook build_hook(const HookSetting& setting) {
  return {setting.enabled,
          setting.timeout_seconds ? std::chrono::seconds(*setting.timeout_seconds) : kBuildHookTimeout};
}

}  // namespace

Answer<ImageSpecification> resolve_specification(const Caller& caller,
                                                 const ImageSpecification& specification,
                                                 ForeignArchitecture foreign) {
  ImageSpecification resolved = specification;
  const auto& version = specification.base_image_version;
  auto base = resolve_base_version(caller, specification.base_image_arn, version ? &*version : nullptr);
  if (!base) {
    return tl::unexpected(base.error());
  }
  resolved.base_image_version = *base;
  if (!is_s3_uri(specification.code_artifact_uri)) {
    return refuse(ServiceErrorKind::kValidation,
                  "CodeArtifact URI must be a valid S3 URI in the format: s3://<bucket>/<key>");
  }
  if (!resolved.minimum_memory_in_mib || resolved.minimum_memory_in_mib->empty()) {
    resolved.minimum_memory_in_mib = std::vector<int>{kDefaultMemorySizeMib};
  }
  if (!resolved.egress_network_connectors || resolved.egress_network_connectors->empty()) {
    resolved.egress_network_connectors = std::vector{managed_connector_arn(caller.region, "INTERNET_EGRESS")};
  }
  Answer<void> checked = check_size(resolved);
  if (checked && resolved.cpu_architectures) {
    checked = check_architectures(*resolved.cpu_architectures, foreign);
  }
  if (checked) {
    checked = check_connectors(caller, *resolved.egress_network_connectors, Direction::kEgress);
  }
  if (checked && resolved.hooks) {
    checked = check_hooks(*resolved.hooks);
  }
  if (checked && resolved.environment_variables) {
    checked = check_environment(*resolved.environment_variables);
  }
  if (!checked) {
    return tl::unexpected(checked.error());
  }
  return resolved;
}

int memory_of(const ImageSpecification& specification) {
  return specification.minimum_memory_in_mib && !specification.minimum_memory_in_mib->empty()
             ? specification.minimum_memory_in_mib->front()
             : kDefaultMemorySizeMib;
}

host::MachineSize size_of(const ImageSpecification& specification) {
  return peak_size(memory_of(specification)).value_or(*peak_size(kDefaultMemorySizeMib));
}

std::map<std::string, std::string> build_environment(const Caller& caller,
                                                     const Image& image,
                                                     const ImageVersion& version) {
  std::map<std::string, std::string> environment;
  if (version.specification.environment_variables) {
    environment = *version.specification.environment_variables;
  }
  environment["AWS_LAMBDA_MICROVM_IMAGE_NAME"] = image.name;
  environment["AWS_LAMBDA_MICROVM_IMAGE_ARN"] = image.arn;
  environment["AWS_LAMBDA_MICROVM_IMAGE_VERSION"] = version.version;
  environment["AWS_REGION"] = caller.region;
  return environment;
}

host::BuildHooks build_hooks(const ImageSpecification& specification) {
  host::BuildHooks hooks;
  if (specification.hooks) {
    hooks.port = static_cast<std::uint16_t>(specification.hooks->port.value_or(0));
    hooks.ready = build_hook(specification.hooks->ready);
    hooks.validate = build_hook(specification.hooks->validate);
    hooks.run = specification.hooks->run.enabled;
  }
  return hooks;
}

std::chrono::seconds runtime_hook_timeout(const HookSetting& setting) {
  return setting.timeout_seconds ? std::chrono::seconds(*setting.timeout_seconds) : kRuntimeHookTimeout;
}

std::string architecture_notice(const ImageSpecification& specification) {
  const auto& asked = specification.cpu_architectures;
  if (asked && std::find(asked->begin(), asked->end(), "ARM_64") != asked->end()) {
    return "ARM_64 was asked for; this host builds and runs X86_64, so the image was built for X86_64.";
  }
  return "";
}

tl::unexpected<ServiceError> nothing_active(const std::string& arn, const std::optional<std::string>& version) {
  return refuse(
      ServiceErrorKind::kResourceNotFound,
      version ? fmt::format(
                    "No active version found for MicroVM image {} and version {}", arn, normalized_version(*version))
              : fmt::format("No active version found for MicroVM image {}", arn));
}

}  // namespace dormouse::control
