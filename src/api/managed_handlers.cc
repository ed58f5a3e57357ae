// SPDX-License-Identifier: Apache-2.0
//
// The managed base images. control/identifiers.h knows which there are.

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/pages.h"
#include "aws/time.h"
#include "control/identifiers.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;
using namespace std::chrono_literals;

// When this generation of managed images came with the product; it is the same for all.
constexpr std::chrono::sys_days kCreated = 2026y / std::chrono::November / 22;

struct ManagedImage {
  std::string arn;
  std::string version;  // a bare integer
};

json::object members_of(const ManagedImage& image, const std::vector<std::string_view>& accepted) {
  json::object members;
  members["imageArn"] = image.arn;
  members["imageVersion"] = image.version;
  members["status"] = "AVAILABLE";
  members["createdAt"] = aws::to_epoch_seconds(kCreated);
  members["updatedAt"] = aws::to_epoch_seconds(kCreated);
  json::array architectures;  // what CreateMicrovmImage takes
  for (const std::string_view architecture : accepted) {
    architectures.push_back(json::object{{"architecture", architecture}});
  }
  members["supportedCpuConfigurations"] = std::move(architectures);
  return members;
}

std::string position_of(const ManagedImage& image) { return image.arn + ' ' + image.version; }

// The part of `all` after the one that `after` names, at most `limit`.
control::Page<ManagedImage> page_of(const std::vector<ManagedImage>& all,
                                    std::size_t limit,
                                    const std::optional<std::string>& after) {
  control::Page<ManagedImage> page;
  bool reached = !after;
  for (const ManagedImage& image : all) {
    if (reached && page.items.size() == limit) {
      page.next = position_of(page.items.back());
      break;
    }
    if (reached) {
      page.items.push_back(image);
    }
    reached = reached || position_of(image) == *after;
  }
  return page;
}

Members answer(Backend& backend, const Call& call, const std::vector<ManagedImage>& all) {
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return control::Answer<control::Page<ManagedImage>>(page_of(all, limit, after));
  };
  const auto keep = [](const ManagedImage&) { return true; };
  const auto members = [accepted = backend.images.accepted_architectures()](const ManagedImage& image) {
    return members_of(image, accepted);
  };
  return answer_page(backend, call, list, keep, members);
}

}  // namespace

Members list_managed_images(Backend& backend, const Call& call) {
  std::vector<ManagedImage> images;
  for (const std::string& arn : control::managed_image_arns(backend.region)) {
    images.push_back({arn, ""});
  }
  return answer(backend, call, images);
}

Members list_managed_image_versions(Backend& backend, const Call& call) {
  const std::string identifier = required_text(call.input, "imageIdentifier");
  const auto accepted = control::accept_image_identifier({call.account, backend.region}, identifier);
  if (!accepted) {
    return tl::unexpected(accepted.error());
  }
  const std::vector<std::string> arns = control::managed_image_arns(backend.region);
  if (std::find(arns.begin(), arns.end(), *accepted) == arns.end()) {
    return control::refuse(control::ServiceErrorKind::kResourceNotFound,
                           "MicroVMImage not found for MicroVMImageID: " + *accepted);
  }
  std::vector<ManagedImage> versions;
  for (const std::string& version : control::managed_image_versions()) {
    versions.push_back({*accepted, version});
  }
  return answer(backend, call, versions);
}

}  // namespace dormouse::api
