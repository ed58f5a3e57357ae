// SPDX-License-Identifier: Apache-2.0

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "api/pages.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

bool equal_or_absent(const std::optional<std::string>& wanted, const std::string& value) {
  return !wanted || *wanted == value;
}

}  // namespace

Members create_image(Backend& backend, const Call& call) {
  auto created = backend.images.create(call.account,
                                       required_text(call.input, "name"),
                                       image_specification(call.input),
                                       optional_text_map(call.input, "tags"),
                                       optional_text(call.input, "clientToken"),
                                       request_digest(call.input));
  return std::move(created).map(created_members);
}

Members update_image(Backend& backend, const Call& call) {
  auto updated = backend.images.update(call.account,
                                       required_text(call.input, "imageIdentifier"),
                                       image_specification(call.input),
                                       optional_text(call.input, "clientToken"),
                                       request_digest(call.input));
  return std::move(updated).map(created_members);
}

Members get_image(Backend& backend, const Call& call) {
  return backend.images.get(call.account, required_text(call.input, "imageIdentifier")).map(image_members);
}

Members list_images(Backend& backend, const Call& call) {
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.images.list(call.account, limit, after);
  };
  const std::string filter = optional_text(call.input, "nameFilter").value_or("");
  const auto keep = [&](const control::Image& image) { return image.name.find(filter) != std::string::npos; };
  return answer_page(backend, call, list, keep, image_members);
}

Members delete_image(Backend& backend, const Call& call) {
  const auto convert = [](const control::Image& image) {
    json::object members;
    members["imageIdentifier"] = image.arn;
    members["state"] = control::to_string(image.state);
    return members;
  };
  return backend.images.remove(call.account, required_text(call.input, "imageIdentifier")).map(convert);
}

Members get_image_version(Backend& backend, const Call& call) {
  auto version = backend.images.get_version(
      call.account, required_text(call.input, "imageIdentifier"), required_text(call.input, "imageVersion"));
  return std::move(version).map(version_members);
}

Members list_image_versions(Backend& backend, const Call& call) {
  const std::string image = required_text(call.input, "imageIdentifier");
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.images.list_versions(call.account, image, limit, after);
  };
  const auto keep = [](const control::ImageVersion&) { return true; };
  return answer_page(backend, call, list, keep, version_members);
}

Members update_image_version(Backend& backend, const Call& call) {
  const auto status = required_text(call.input, "status") == to_string(control::VersionStatus::kActive)
                          ? control::VersionStatus::kActive
                          : control::VersionStatus::kInactive;
  auto version = backend.images.set_status(
      call.account, required_text(call.input, "imageIdentifier"), required_text(call.input, "imageVersion"), status);
  return std::move(version).map(version_members);
}

Members delete_image_version(Backend& backend, const Call& call) {
  const auto convert = [](const control::ImageVersion& version) {
    json::object members;
    members["imageIdentifier"] = version.image_arn;
    members["imageVersion"] = version.version;
    members["state"] = control::to_string(version.state);
    return members;
  };
  auto version = backend.images.remove_version(
      call.account, required_text(call.input, "imageIdentifier"), required_text(call.input, "imageVersion"));
  return std::move(version).map(convert);
}

Members get_image_build(Backend& backend, const Call& call) {
  auto build = backend.images.get_build(call.account,
                                        required_text(call.input, "imageIdentifier"),
                                        required_text(call.input, "imageVersion"),
                                        required_text(call.input, "buildId"));
  return std::move(build).map(build_members);
}

Members list_image_builds(Backend& backend, const Call& call) {
  const std::string image = required_text(call.input, "imageIdentifier");
  const std::string version = required_text(call.input, "imageVersion");
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.images.list_builds(call.account, image, version, limit, after);
  };
  const auto architecture = optional_text(call.input, "architecture");
  const auto chipset = optional_text(call.input, "chipset");
  const auto generation = optional_text(call.input, "chipsetGeneration");
  const auto keep = [&](const control::Build& build) {
    return equal_or_absent(architecture, build.architecture) && equal_or_absent(chipset, build.chipset) &&
           equal_or_absent(generation, build.chipset_generation);
  };
  return answer_page(backend, call, list, keep, build_members);
}

}  // namespace dormouse::api
