// SPDX-License-Identifier: Apache-2.0
//
// Tags of images and network connectors. The ARNs of other Lambda resources are well formed, so the model takes them, but
// there are none here.

#include <utility>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "aws/arn.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

enum class Kind { kImage, kConnector, kOther };

Kind kind_of(const std::string& resource) {
  const auto arn = aws::parse_arn(resource);
  if (arn && arn->resource.starts_with("microvm-image:")) {
    return Kind::kImage;
  }
  return arn && arn->resource.starts_with("network-connector:") ? Kind::kConnector : Kind::kOther;
}

tl::unexpected<control::ServiceError> not_found(const std::string& resource) {
  return control::refuse(control::ServiceErrorKind::kResourceNotFound,
                         "Resource not found: " + resource + ". Images and network connectors can be tagged here.");
}

Members change_tags(Backend& backend, const Call& call, const control::TagChange& change) {
  const std::string resource = required_text(call.input, "Resource");
  switch (kind_of(resource)) {
    case Kind::kImage: return nothing(backend.images.change_tags(call.account, resource, change));
    case Kind::kConnector: return nothing(backend.connectors.change_tags(call.account, resource, change));
    case Kind::kOther: break;
  }
  return not_found(resource);
}

}  // namespace

Members tag_resource(Backend& backend, const Call& call) {
  return change_tags(backend, call, {optional_text_map(call.input, "Tags").value_or(control::Tags()), {}});
}

Members untag_resource(Backend& backend, const Call& call) {
  const auto keys = optional_texts(call.input, "TagKeys");
  return change_tags(backend, call, {{}, keys.value_or(std::vector<std::string>())});
}

Members list_tags(Backend& backend, const Call& call) {
  const std::string resource = required_text(call.input, "Resource");
  const auto answer = [](const auto& record) -> Members {
    if (!record) {
      return tl::unexpected(record.error());
    }
    json::object members;
    members["Tags"] = json::value_from(record->tags.value_or(control::Tags()));
    return members;
  };
  switch (kind_of(resource)) {
    case Kind::kImage: return answer(backend.images.get(call.account, resource));
    case Kind::kConnector: return answer(backend.connectors.get(call.account, resource));
    case Kind::kOther: break;
  }
  return not_found(resource);
}

}  // namespace dormouse::api
