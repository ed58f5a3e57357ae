// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/records.h"
#include "logs/log_event.h"

namespace dormouse::control {

// Where output goes by `logging` and the defaults of specification section 10.1. Nothing: it is not kept, because logging is
// disabled; a `cloudWatch` that names neither group nor stream counts as that, as at the service.
//
// A VM does not inherit its image's `logging`.
std::optional<logs::Destination> runtime_logs(const Microvm& microvm, const std::optional<Logging>& logging);

// Of a fork: its parent's group, and a stream of its own unless the parent's was chosen by name.
std::optional<logs::Destination> child_logs(const Microvm& parent, const Microvm& child);

// Of one part of a build: "container" (the Dockerfile), "snapshot" or "validate" (the application in these guests).
std::optional<logs::Destination> build_logs(const ImageVersion& version,
                                            const std::string& build_id,
                                            std::string_view part);

}  // namespace dormouse::control
