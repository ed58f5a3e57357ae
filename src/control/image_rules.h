// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "control/identifiers.h"
#include "control/records.h"
#include "control/service_error.h"
#include "host/host.h"

namespace dormouse::control {

// Checks what the constraint layer cannot (specification section 1.7) and puts the defaults of section 1.4 in.
Answer<ImageSpecification> resolve_specification(const Caller& caller,
                                                 const ImageSpecification& specification,
                                                 ForeignArchitecture foreign);

// The size that a resolved specification asks for, in MiB: what quotas count.
int memory_of(const ImageSpecification& specification);

// The guest's size that a resolved specification asks for.
host::MachineSize size_of(const ImageSpecification& specification);

// What the build gives the application: the image's own variables and those of specification section 6.3.
std::map<std::string, std::string> build_environment(const Caller& caller,
                                                     const Image& image,
                                                     const ImageVersion& version);

host::BuildHooks build_hooks(const ImageSpecification& specification);

// How long a hook of the runtime may take: the model's default is one second.
std::chrono::seconds runtime_hook_timeout(const HookSetting& setting);

// The sentence for a build that was asked for another architecture than this machine's; empty if it was not.
std::string architecture_notice(const ImageSpecification& specification);

// The answer to who wants to launch an image that has no such version to launch: the one asked for, or any.
tl::unexpected<ServiceError> nothing_active(const std::string& arn, const std::optional<std::string>& version);

}  // namespace dormouse::control
