// SPDX-License-Identifier: Apache-2.0
//
// What the commands for roles have in common.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "cli/service.h"
#include "os/context.h"

namespace dormouse::cli {

// "build" of "arn:aws:iam::000000000000:role/team/build", or of "build".
std::string role_name(const std::string& role);

// A refusal by the service, with what can be done about it. `role` is its name.
tl::unexpected<Error> role_refusal(const Error& error, const std::string& role);

struct RolePolicies {
  boost::json::array inline_names;
  boost::json::array attached;  // {"PolicyName", "PolicyArn"}
};
Result<RolePolicies> policies_of(Service& service, const std::string& name, const os::Context& context);

// The text of a policy: a file's, or standard input's for "-". kInvalidArgument when it is no JSON object.
Result<std::string> read_policy(const std::string& path);

// The text of a policy as answers have it, percent-encoded; nothing when it is not.
std::optional<std::string> decoded_policy(std::string_view encoded);

}  // namespace dormouse::cli
