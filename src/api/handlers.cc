// SPDX-License-Identifier: Apache-2.0

#include "api/handlers.h"

#include <utility>

#include <boost/json.hpp>

namespace dormouse::api {
namespace {

constexpr std::pair<std::string_view, Handler> kHandlers[] = {
    {"CreateMicrovmImage", create_image},
    {"UpdateMicrovmImage", update_image},
    {"GetMicrovmImage", get_image},
    {"ListMicrovmImages", list_images},
    {"DeleteMicrovmImage", delete_image},
    {"GetMicrovmImageVersion", get_image_version},
    {"ListMicrovmImageVersions", list_image_versions},
    {"UpdateMicrovmImageVersion", update_image_version},
    {"DeleteMicrovmImageVersion", delete_image_version},
    {"GetMicrovmImageBuild", get_image_build},
    {"ListMicrovmImageBuilds", list_image_builds},
    {"ListManagedMicrovmImages", list_managed_images},
    {"ListManagedMicrovmImageVersions", list_managed_image_versions},
    {"RunMicrovm", run_microvm},
    {"GetMicrovm", get_microvm},
    {"ListMicrovms", list_microvms},
    {"SuspendMicrovm", suspend_microvm},
    {"ResumeMicrovm", resume_microvm},
    {"TerminateMicrovm", terminate_microvm},
    {"CreateMicrovmAuthToken", create_auth_token},
    {"CreateMicrovmShellAuthToken", create_shell_token},
    {"CreateNetworkConnector", create_connector},
    {"GetNetworkConnector", get_connector},
    {"UpdateNetworkConnector", update_connector},
    {"DeleteNetworkConnector", delete_connector},
    {"ListNetworkConnectors", list_connectors},
    {"TagResource", tag_resource},
    {"UntagResource", untag_resource},
    {"ListTags", list_tags},
    {"GetBuildLog", get_build_log},
    {"DescribeBuild", describe_build},
    {"DescribeMicrovm", describe_microvm},
    {"CreateAccount", create_account},
    {"ListAccounts", list_accounts},
    {"DescribeAccount", describe_account},
    {"DeleteAccount", delete_account},
    {"SetAccountQuotas", set_account_quotas},
    {"CreateAccountKey", create_account_key},
    {"ListAccountKeys", list_account_keys},
    {"RevokeAccountKey", revoke_account_key},
    {"RotateAccountKey", rotate_account_key},
    {"CreateRole", create_role},
    {"GetRole", get_role},
    {"ListRoles", list_roles},
    {"DeleteRole", delete_role},
    {"PutRolePolicy", put_role_policy},
    {"GetRolePolicy", get_role_policy},
    {"DeleteRolePolicy", delete_role_policy},
    {"ListRolePolicies", list_role_policies},
    {"AttachRolePolicy", attach_role_policy},
    {"DetachRolePolicy", detach_role_policy},
    {"ListAttachedRolePolicies", list_attached_role_policies},
    {"AssumeRole", assume_role},
    {"GetCallerIdentity", get_caller_identity},
    {"ForkMicrovm", fork_microvm},
    {"RollbackMicrovm", rollback_microvm},
    {"CreateCheckpoint", create_checkpoint},
    {"ListCheckpoints", list_checkpoints},
    {"GetCheckpoint", get_checkpoint},
    {"DeleteCheckpoint", delete_checkpoint},
    {"ForkCheckpoint", fork_checkpoint},
    {"ListTraces", list_traces},
    {"DescribeStorage", describe_storage},
};

}  // namespace

Handler find_handler(std::string_view operation) {
  for (const auto& [name, handler] : kHandlers) {
    if (name == operation) {
      return handler;
    }
  }
  return nullptr;
}

}  // namespace dormouse::api
