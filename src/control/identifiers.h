// SPDX-License-Identifier: Apache-2.0
//
// What clients may name things by, and the exact refusals (specification sections 1.6, 1.7, 3 and 9).

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/service_error.h"

namespace dormouse::control {

// Who asks, and where.
struct Caller {
  std::string account;
  std::string region;
  bool image_names = false;  // images may be named by their bare names too
};

std::string image_arn(const Caller& caller, std::string_view name);
// The reverse: what is behind the last colon.
std::string image_name_of(std::string_view arn);

// The image ARN that `identifier` is. Only whole ARNs are accepted, or names of the caller's images where `caller` has it so;
// operations differ in how they refuse others.
enum class ImageOperation { kOnImage, kRunMicrovm };
Answer<std::string> accept_image_identifier(const Caller& caller,
                                            const std::string& identifier,
                                            ImageOperation operation = ImageOperation::kOnImage);

// "1" and "1.0" are the same version; what is no version stays as it is.
std::string normalized_version(const std::string& version);

// ---- managed base images ----

// ARNs of the managed base images: the Debian one, then the name that existing programs use for it.
std::vector<std::string> managed_image_arns(const std::string& region);
// Bare integers, newest first, as listings show them.
std::vector<std::string> managed_image_versions();
// What becomes of an image for another architecture than the host's: it is built for the host's, or refused.
enum class ForeignArchitecture { kBuild, kRefuse };
// Architectures that an image may be asked for.
std::vector<std::string_view> accepted_architectures(ForeignArchitecture foreign);
// Checks a base image and resolves its version to the echoed form: "1.0".
Answer<std::string> resolve_base_version(const Caller& caller, const std::string& arn, const std::string* version);

// ---- network connectors ----

std::string managed_connector_arn(const std::string& region, std::string_view name);
enum class Direction { kIngress, kEgress };
// Every ARN of `connectors` must be a managed connector of that direction or, for egress, have the form of one of the
// caller's own.
Answer<void> check_connectors(const Caller& caller, const std::vector<std::string>& connectors, Direction direction);
// Whether a shell token may be had for a VM with these ingress connectors.
Answer<void> check_shell_access(const std::vector<std::string>& ingress_connectors);
// Whether the endpoint takes requests for a VM with these ingress connectors.
bool allows_http(const std::vector<std::string>& ingress_connectors);

}  // namespace dormouse::control
