// SPDX-License-Identifier: Apache-2.0

#include "cli/image_versions.h"

#include <algorithm>

#include <boost/json.hpp>

#include "cli/record.h"

namespace dormouse::cli {

namespace json = boost::json;

Result<json::value> newest_version(Service& service, const std::string& image_arn, const os::Context& context) {
  DM_ASSIGN(json::array versions, service.list(api_path({"microvm-images", image_arn, "versions"}), {}, context), "");
  if (versions.empty()) {
    return fail(ErrorKind::kNotFound, name_of_arn(image_arn) + " has no version");
  }
  return std::move(*std::ranges::max_element(
      versions, {}, [](const json::value& version) { return number_of(version, "createdAt"); }));
}

Result<std::string> version_or_newest(Service& service,
                                      const std::string& image_arn,
                                      const std::string& wanted,
                                      const os::Context& context) {
  if (!wanted.empty()) {
    return wanted;
  }
  DM_ASSIGN(const json::value newest, newest_version(service, image_arn, context), "");
  return text_of(newest, "imageVersion");
}

}  // namespace dormouse::cli
