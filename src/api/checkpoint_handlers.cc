// SPDX-License-Identifier: Apache-2.0

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "api/pages.h"
#include "aws/time.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

json::object checkpoint_members(const control::Checkpoint& checkpoint) {
  json::object members;
  members["checkpointId"] = checkpoint.checkpoint_id;
  if (checkpoint.name) {
    members["name"] = *checkpoint.name;
  }
  members["microvmId"] = checkpoint.source.microvm_id;
  members["imageArn"] = checkpoint.source.image_arn;
  members["imageVersion"] = checkpoint.source.image_version;
  members["sizeInBytes"] = checkpoint.bytes;
  members["createdAt"] = aws::to_epoch_seconds(checkpoint.created_at);
  return members;
}

Members children(const control::Answer<std::vector<control::Microvm>>& forked) {
  if (!forked) {
    return tl::unexpected(forked.error());
  }
  json::array items;
  for (const control::Microvm& child : *forked) {
    json::object members = microvm_members(child);
    members["parentMicrovmId"] = *child.parent_microvm_id;
    items.push_back(std::move(members));
  }
  return json::object{{"items", std::move(items)}};
}

}  // namespace

Members fork_microvm(Backend& backend, const Call& call) {
  return children(backend.microvms.fork_microvm(
      call.account, required_text(call.input, "microvmIdentifier"), fork_request(call.input)));
}

Members fork_checkpoint(Backend& backend, const Call& call) {
  return children(backend.checkpoints.fork_checkpoint(
      call.account, required_text(call.input, "checkpointIdentifier"), fork_request(call.input)));
}

Members rollback_microvm(Backend& backend, const Call& call) {
  return nothing(backend.checkpoints.rollback(
      call.account, required_text(call.input, "microvmIdentifier"), required_text(call.input, "checkpointIdentifier")));
}

Members create_checkpoint(Backend& backend, const Call& call) {
  return backend.checkpoints
      .create(call.account, required_text(call.input, "microvmIdentifier"), optional_text(call.input, "name"))
      .map(checkpoint_members);
}

Members get_checkpoint(Backend& backend, const Call& call) {
  return backend.checkpoints.get(call.account, required_text(call.input, "checkpointIdentifier"))
      .map(checkpoint_members);
}

Members delete_checkpoint(Backend& backend, const Call& call) {
  return nothing(backend.checkpoints.remove(call.account, required_text(call.input, "checkpointIdentifier")));
}

Members list_checkpoints(Backend& backend, const Call& call) {
  const auto microvm_id = optional_text(call.input, "microvmIdentifier");
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.checkpoints.list(call.account, microvm_id, limit, after);
  };
  const auto keep = [](const control::Checkpoint&) { return true; };
  return answer_page(backend, call, list, keep, checkpoint_members);
}

}  // namespace dormouse::api
