// SPDX-License-Identifier: Apache-2.0

#include "control/log_destinations.h"

#include <chrono>

#include <fmt/core.h>

#include "control/identifiers.h"

namespace dormouse::control {

namespace {

std::string default_group(const std::string& image_arn) { return "/aws/lambda-microvms/" + image_name_of(image_arn); }

std::optional<logs::Destination> destination(const std::string& account,
                                             const std::string& image_arn,
                                             const std::optional<Logging>& logging,
                                             std::string default_stream) {
  if (logging && (logging->disabled || (!logging->log_group && !logging->log_stream))) {
    return std::nullopt;
  }
  const Logging wanted = logging.value_or(Logging());
  return logs::Destination{account,
                           wanted.log_group ? *wanted.log_group : default_group(image_arn),
                           wanted.log_stream ? *wanted.log_stream : std::move(default_stream)};
}

}  // namespace

std::optional<logs::Destination> runtime_logs(const Microvm& microvm, const std::optional<Logging>& logging) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(microvm.started_at));
  return destination(microvm.account,
                     microvm.image_arn,
                     logging,
                     fmt::format("{:04}/{:02}/{:02}[{}]{}",
                                 static_cast<int>(day.year()),
                                 static_cast<unsigned>(day.month()),
                                 static_cast<unsigned>(day.day()),
                                 microvm.image_version,
                                 microvm.microvm_id));
}

std::optional<logs::Destination> child_logs(const Microvm& parent, const Microvm& child) {
  if (!parent.log_group) {
    return std::nullopt;
  }
  Logging logging{false, parent.log_group, std::nullopt};
  if (!parent.log_stream->ends_with(parent.microvm_id)) {
    logging.log_stream = parent.log_stream;
  }
  return runtime_logs(child, logging);
}

std::optional<logs::Destination> build_logs(const ImageVersion& version,
                                            const std::string& build_id,
                                            std::string_view part) {
  return destination(version.account,
                     version.image_arn,
                     version.specification.logging,
                     fmt::format("build/{}/{}/{}", version.version, build_id, part));
}

}  // namespace dormouse::control
