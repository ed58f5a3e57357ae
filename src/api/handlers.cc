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
