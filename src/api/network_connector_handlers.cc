// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"
#include "api/pages.h"

namespace dormouse::api {
namespace {

namespace json = boost::json;
using Members = control::Answer<json::object>;

std::optional<control::ConnectorConfiguration> configuration_of(const json::object& input) {
  const json::value* given = input.if_contains("Configuration");
  if (given == nullptr) {
    return std::nullopt;
  }
  const json::object& egress = given->as_object().at("VpcEgressConfiguration").as_object();
  control::ConnectorConfiguration configuration;
  configuration.subnet_ids = optional_texts(egress, "SubnetIds").value_or(std::vector<std::string>());
  configuration.security_group_ids = optional_texts(egress, "SecurityGroupIds");
  configuration.network_protocol = optional_text(egress, "NetworkProtocol");
  configuration.compute_resource_types =
      optional_texts(egress, "AssociatedComputeResourceTypes").value_or(std::vector<std::string>());
  return configuration;
}

}  // namespace

Members create_connector(Backend& backend, const Call& call) {
  control::NetworkConnectors::Creation creation;
  creation.name = required_text(call.input, "Name");
  creation.configuration = configuration_of(call.input).value_or(control::ConnectorConfiguration());
  creation.operator_role = optional_text(call.input, "OperatorRole");
  creation.client_token = optional_text(call.input, "ClientToken");
  creation.tags = optional_text_map(call.input, "Tags");
  return backend.connectors.create(call.account, creation, request_digest(call.input)).map(connector_members);
}

Members get_connector(Backend& backend, const Call& call) {
  return backend.connectors.get(call.account, required_text(call.input, "Identifier")).map(connector_members);
}

Members update_connector(Backend& backend, const Call& call) {
  return backend.connectors
      .update(call.account,
              required_text(call.input, "Identifier"),
              configuration_of(call.input),
              optional_text(call.input, "OperatorRole"))
      .map(connector_members);
}

Members delete_connector(Backend& backend, const Call& call) {
  return backend.connectors.remove(call.account, required_text(call.input, "Identifier")).map(connector_members);
}

Members list_connectors(Backend& backend, const Call& call) {
  const auto list = [&](std::size_t limit, const std::optional<std::string>& after) {
    return backend.connectors.list(call.account, limit, after);
  };
  const auto state = optional_text(call.input, "State");
  const auto keep = [&](const control::NetworkConnector& connector) {
    return !state || *state == control::to_string(connector.state);
  };
  const PageWords words{"Marker", "MaxItems", "NetworkConnectors", "NextMarker"};
  return answer_page(backend, call, list, keep, connector_members, words);
}

}  // namespace dormouse::api
