// SPDX-License-Identifier: Apache-2.0

#include "cli/role_answer.h"

#include <boost/json.hpp>
#include <boost/url/pct_string_view.hpp>
#include <fmt/format.h>

#include "os/file.h"

namespace dormouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kPolicyBytesMax = 131'072;  // as the service's

// What can be done about a refusal in these words of the service; empty when nothing is known.
std::string remedy(const std::string& message, const std::string& role) {
  const auto begins = [&](std::string_view text) { return message.starts_with(text); };
  if (begins("The role with name ")) {
    return "`dormouse role list` shows those there are.";
  }
  if (begins("Cannot delete entity")) {
    return "--with-policies does that.";
  }
  if (begins("The role policy with name ") || message.ends_with(" was not found.")) {
    return fmt::format("`dormouse role policy list {}` shows those there are.", role);
  }
  if (begins("Maximum policy size ") || begins("Cannot exceed quota for PoliciesPerRole")) {
    return fmt::format("`dormouse role policy list {}` shows what counts.", role);
  }
  if (message.ends_with(" does not exist or is not attachable.") || begins("ARN ")) {
    return "An example is arn:aws:iam::aws:policy/ReadOnlyAccess; `dormouse role policy put` keeps a policy of your "
           "own.";
  }
  return "";
}

}  // namespace

std::string role_name(const std::string& role) {
  return role.starts_with("arn:") ? role.substr(role.rfind('/') + 1) : role;
}

tl::unexpected<Error> role_refusal(const Error& error, const std::string& role) {
  const std::string more = remedy(error.message(), role);
  return more.empty() ? fail(Error(error)) : fail(error.kind(), error.message() + " " + more);
}

Result<RolePolicies> policies_of(Service& service, const std::string& name, const os::Context& context) {
  const Service::Query role{{"RoleName", name}};
  RolePolicies policies;
  DM_ASSIGN(policies.inline_names, service.list_iam("ListRolePolicies", role, "PolicyNames", context), "");
  DM_ASSIGN(policies.attached, service.list_iam("ListAttachedRolePolicies", role, "AttachedPolicies", context), "");
  return policies;
}

Result<std::string> read_policy(const std::string& path) {
  DM_ASSIGN(std::string text, os::read_file(path == "-" ? "/dev/stdin" : path, kPolicyBytesMax), "");
  boost::system::error_code bad;
  const json::value policy = json::parse(text, bad);
  if (bad || !policy.is_object()) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format(R"(policy '{}' is no JSON object{}; write {{"Version": "2012-10-17", "Statement": [...]}})",
                            path,
                            bad ? " (" + bad.message() + ")" : ""));
  }
  return text;
}

std::optional<std::string> decoded_policy(std::string_view encoded) {
  const auto text = boost::urls::make_pct_string_view(encoded);
  return text ? std::optional(text->decode()) : std::nullopt;
}

}  // namespace dormouse::cli
