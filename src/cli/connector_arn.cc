// SPDX-License-Identifier: Apache-2.0

#include "cli/connector_arn.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/record.h"

namespace dormouse::cli {
namespace {

constexpr const char* kManaged[] = {"INTERNET_EGRESS", "HTTP_INGRESS", "ALL_INGRESS", "SHELL_INGRESS", "NO_INGRESS"};

}  // namespace

Result<std::string> connector_arn(Service& service, const std::string& name, const os::Context& context) {
  if (name.starts_with("arn:")) {
    return name;
  }
  if (std::ranges::count(kManaged, name) > 0) {
    return fmt::format(
        "arn:aws:lambda:{}:aws:network-connector:aws-network-connector:{}", service.profile().region, name);
  }
  auto found = service.call("GET", connectors_path({name}), {}, nullptr, context);
  if (!found && found.error().kind() == ErrorKind::kNotFound) {
    return fail(ErrorKind::kNotFound,
                fmt::format("there is no network connector '{}'; the managed ones are {}; `dormouse connector list` "
                            "has those of the account",
                            name,
                            fmt::join(kManaged, ", ")));
  }
  DM_TRY(found, "network connector " + name);
  return text_of(*found, "Arn");
}

}  // namespace dormouse::cli
