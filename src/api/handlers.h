// SPDX-License-Identifier: Apache-2.0
//
// What stands between the wire and the control layer: one function an operation. A handler gets an input that keeps the
// model's constraints and gives the members of the answer; what it does not set is null or left out (see encode.h).

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "api/model.h"
#include "api/page_tokens.h"
#include "api/token_issuer.h"
#include "aws/credentials.h"
#include "base/clock.h"
#include "control/accounts.h"
#include "control/checkpoints.h"
#include "control/images.h"
#include "control/microvms.h"
#include "control/network_connectors.h"
#include "control/quotas.h"
#include "control/roles.h"
#include "control/service_error.h"
#include "control/storage.h"
#include "telemetry/telemetry.h"

namespace dormouse::api {

// What handlers act on. Everything outlives the handlers.
struct Backend {
  control::Images& images;
  control::Microvms& microvms;
  control::Checkpoints& checkpoints;
  control::NetworkConnectors& connectors;
  control::Accounts& accounts;
  control::Roles& roles;
  const control::AccountQuotas& quotas;
  control::RateLimiter& rates;
  TokenIssuer& tokens;
  PageTokens& pages;
  Clock& clock;
  std::string region;
  std::function<Result<control::StorageReport>(const os::Context& context)> storage;
  telemetry::Telemetry* telemetry = nullptr;  // none: nothing is measured, and there are no traces to list
};

struct Call {
  const Operation& operation;
  const std::string& account;
  const boost::json::object& input;
  const aws::Credential& caller;
  tracing::Cause cause{};
};

using Handler = control::Answer<boost::json::object> (*)(Backend& backend, const Call& call);

// AccessDenied for keys of other accounts than the administrator's.
control::Answer<void> require_administrator(const Call& call);

// The handler of an operation; null if that operation is not available yet.
Handler find_handler(std::string_view operation);

// By file.
control::Answer<boost::json::object> create_image(Backend& backend, const Call& call);
control::Answer<boost::json::object> update_image(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_image(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_images(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_image(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_image_version(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_image_versions(Backend& backend, const Call& call);
control::Answer<boost::json::object> update_image_version(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_image_version(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_image_build(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_image_builds(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_managed_images(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_managed_image_versions(Backend& backend, const Call& call);

control::Answer<boost::json::object> run_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_microvms(Backend& backend, const Call& call);
control::Answer<boost::json::object> suspend_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> resume_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> terminate_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> create_auth_token(Backend& backend, const Call& call);

control::Answer<boost::json::object> create_shell_token(Backend& backend, const Call& call);

control::Answer<boost::json::object> create_connector(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_connector(Backend& backend, const Call& call);
control::Answer<boost::json::object> update_connector(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_connector(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_connectors(Backend& backend, const Call& call);

control::Answer<boost::json::object> tag_resource(Backend& backend, const Call& call);
control::Answer<boost::json::object> untag_resource(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_tags(Backend& backend, const Call& call);

control::Answer<boost::json::object> get_build_log(Backend& backend, const Call& call);
control::Answer<boost::json::object> describe_build(Backend& backend, const Call& call);
control::Answer<boost::json::object> describe_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> describe_storage(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_traces(Backend& backend, const Call& call);

control::Answer<boost::json::object> create_account(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_accounts(Backend& backend, const Call& call);
control::Answer<boost::json::object> describe_account(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_account(Backend& backend, const Call& call);
control::Answer<boost::json::object> set_account_quotas(Backend& backend, const Call& call);
control::Answer<boost::json::object> create_account_key(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_account_keys(Backend& backend, const Call& call);
control::Answer<boost::json::object> revoke_account_key(Backend& backend, const Call& call);
control::Answer<boost::json::object> rotate_account_key(Backend& backend, const Call& call);

control::Answer<boost::json::object> create_role(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_role(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_roles(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_role(Backend& backend, const Call& call);
control::Answer<boost::json::object> put_role_policy(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_role_policy(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_role_policy(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_role_policies(Backend& backend, const Call& call);
control::Answer<boost::json::object> attach_role_policy(Backend& backend, const Call& call);
control::Answer<boost::json::object> detach_role_policy(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_attached_role_policies(Backend& backend, const Call& call);
control::Answer<boost::json::object> assume_role(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_caller_identity(Backend& backend, const Call& call);

control::Answer<boost::json::object> fork_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> rollback_microvm(Backend& backend, const Call& call);
control::Answer<boost::json::object> create_checkpoint(Backend& backend, const Call& call);
control::Answer<boost::json::object> list_checkpoints(Backend& backend, const Call& call);
control::Answer<boost::json::object> get_checkpoint(Backend& backend, const Call& call);
control::Answer<boost::json::object> delete_checkpoint(Backend& backend, const Call& call);
control::Answer<boost::json::object> fork_checkpoint(Backend& backend, const Call& call);

}  // namespace dormouse::api
