// SPDX-License-Identifier: Apache-2.0

#include "control/identifiers.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "aws/arn.h"

namespace dormouse::control {

namespace {

constexpr std::string_view kImagePrefix = "microvm-image:";
constexpr std::string_view kManagedConnectorPrefix = "network-connector:aws-network-connector:";
constexpr std::string_view kCustomerConnectorPrefix = "network-connector:nc-";
constexpr std::array<std::string_view, 2> kManagedImages = {"debian12-1", "al2023-1"};
constexpr std::string_view kManagedVersion = "1";

constexpr std::array<std::string_view, 4> kIngressConnectors = {
    "HTTP_INGRESS", "ALL_INGRESS", "SHELL_INGRESS", "NO_INGRESS"};
constexpr std::array<std::string_view, 1> kEgressConnectors = {"INTERNET_EGRESS"};

// The last part of a managed connector's ARN.
std::string_view connector_name(std::string_view arn) { return arn.substr(arn.rfind(':') + 1); }

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Answer<void> check_connector(const Caller& caller, const std::string& text, Direction direction) {
  const auto arn = aws::parse_arn(text);
  if (!arn || arn->service != "lambda" || !arn->resource.starts_with("network-connector:")) {
    return refuse(ServiceErrorKind::kValidation, "Malformed network connector ARN");
  }
  if (arn->account != "aws" && arn->resource.starts_with(kCustomerConnectorPrefix)) {
    if (direction == Direction::kIngress) {
      return refuse(ServiceErrorKind::kValidation,
                    fmt::format("Network connector {} is of type VPC_EGRESS; it cannot be used for ingress", text));
    }
    if (arn->account == caller.account && arn->region == caller.region) {
      return {};  // check_customer_connectors() asks whether it is there
    }
    return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("Network connector not found for: {}", text));
  }
  const std::string_view name = connector_name(text);
  const bool known =
      direction == Direction::kIngress ? contains(kIngressConnectors, name) : contains(kEgressConnectors, name);
  if (!known || text != managed_connector_arn(caller.region, name)) {
    return refuse(ServiceErrorKind::kValidation, fmt::format("Unrecognized managed network connector ARN: {}", text));
  }
  return {};
}

}  // namespace

std::string image_arn(const Caller& caller, std::string_view name) {
  return fmt::format("arn:aws:lambda:{}:{}:{}{}", caller.region, caller.account, kImagePrefix, name);
}

std::string image_name_of(std::string_view arn) { return std::string(arn.substr(arn.rfind(':') + 1)); }

Answer<std::string> accept_image_identifier(const Caller& caller,
                                            const std::string& identifier,
                                            ImageOperation operation) {
  if (caller.image_names && !identifier.starts_with("arn:")) {
    return image_arn(caller, identifier);
  }
  if (operation == ImageOperation::kRunMicrovm && !identifier.starts_with("arn:")) {
    return refuse(ServiceErrorKind::kValidation, "Malformed ARN - doesn't start with 'arn:'");
  }
  const auto arn = aws::parse_arn(identifier);
  if (!arn || arn->service != "lambda") {
    return refuse(ServiceErrorKind::kValidation, fmt::format("Invalid ARN format: {}", identifier));
  }
  const bool foreign = arn->account != caller.account && arn->account != "aws";
  if (arn->resource.starts_with("microvm-image/") || foreign) {
    return refuse(ServiceErrorKind::kAccessDenied,
                  fmt::format("Not authorized to perform this action on resource: {}", identifier));
  }
  if (!arn->resource.starts_with(kImagePrefix) || arn->resource.size() == kImagePrefix.size()) {
    return refuse(ServiceErrorKind::kValidation, fmt::format("Invalid ARN format: {}", identifier));
  }
  return identifier;
}

std::string normalized_version(const std::string& version) {
  const bool digits_only =
      !version.empty() && std::all_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits_only ? version + ".0" : version;
}

std::vector<std::string> managed_image_arns(const std::string& region) {
  std::vector<std::string> arns;
  for (const std::string_view name : kManagedImages) {
    arns.push_back(image_arn(Caller{"aws", region}, name));
  }
  return arns;
}

std::vector<std::string_view> accepted_architectures(ForeignArchitecture foreign) {
  if (foreign == ForeignArchitecture::kRefuse) {
    return {"X86_64"};  // the one that this program runs on
  }
  return {"ARM_64", "X86_64"};
}

std::vector<std::string> managed_image_versions() { return {std::string(kManagedVersion)}; }

Answer<std::string> resolve_base_version(const Caller& caller, const std::string& arn, const std::string* version) {
  const std::vector<std::string> known = managed_image_arns(caller.region);
  if (!contains(known, arn)) {
    if (!aws::parse_arn(arn)) {
      return refuse(ServiceErrorKind::kValidation, fmt::format("Invalid ARN format: {}", arn));
    }
    return refuse(
        ServiceErrorKind::kValidation,
        fmt::format("No managed MicroVM Image with arn {} is available. Available: {}", arn, fmt::join(known, ", ")));
  }
  const std::string newest = normalized_version(std::string(kManagedVersion));
  if (version != nullptr && normalized_version(*version) != newest) {
    return refuse(ServiceErrorKind::kValidation,
                  fmt::format("No managed MicroVM Image with arn {} and version {} is available", arn, *version));
  }
  return newest;
}

std::string managed_connector_arn(const std::string& region, std::string_view name) {
  return fmt::format("arn:aws:lambda:{}:aws:{}{}", region, kManagedConnectorPrefix, name);
}

Answer<void> check_connectors(const Caller& caller, const std::vector<std::string>& connectors, Direction direction) {
  for (const std::string& connector : connectors) {
    if (const auto checked = check_connector(caller, connector, direction); !checked) {
      return checked;
    }
  }
  const bool no_ingress = std::any_of(connectors.begin(), connectors.end(), [](const std::string& connector) {
    return connector_name(connector) == "NO_INGRESS";
  });
  if (no_ingress && connectors.size() > 1) {
    return refuse(
        ServiceErrorKind::kValidation,
        "NO_INGRESS cannot be combined with other ingress network connectors; give it alone, or leave it out");
  }
  return {};
}

Answer<void> check_shell_access(const std::vector<std::string>& ingress_connectors) {
  const auto has = [&](std::string_view wanted) {
    return std::any_of(ingress_connectors.begin(), ingress_connectors.end(), [&](const std::string& connector) {
      return connector_name(connector) == wanted;
    });
  };
  if (has("ALL_INGRESS") && ingress_connectors.size() > 1) {
    return refuse(ServiceErrorKind::kValidation,
                  "ALL_INGRESS cannot be combined with other ingress network connectors; use HTTP_INGRESS and/or "
                  "SHELL_INGRESS instead");
  }
  if (!has("SHELL_INGRESS")) {
    return refuse(ServiceErrorKind::kValidation,
                  "Shell access requires SHELL_INGRESS network connector to be configured on the MicroVM.");
  }
  return {};
}

bool allows_http(const std::vector<std::string>& ingress_connectors) {
  return std::any_of(ingress_connectors.begin(), ingress_connectors.end(), [](const std::string& connector) {
    const std::string_view name = connector_name(connector);
    return name == "HTTP_INGRESS" || name == "ALL_INGRESS";
  });
}

}  // namespace dormouse::control
