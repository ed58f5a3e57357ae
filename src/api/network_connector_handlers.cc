// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/input.h"
#include "api/output.h"

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

Members answered(control::Answer<control::NetworkConnector> connector) {
  if (!connector) {
    return tl::unexpected(std::move(connector).error());
  }
  return connector_members(*connector);
}

}  // namespace

Members create_connector(Backend& backend, const Call& call) {
  control::NetworkConnectors::Creation creation;
  creation.name = required_text(call.input, "Name");
  creation.configuration = configuration_of(call.input).value_or(control::ConnectorConfiguration());
  creation.operator_role = optional_text(call.input, "OperatorRole");
  creation.client_token = optional_text(call.input, "ClientToken");
  creation.tags = optional_text_map(call.input, "Tags");
  return answered(backend.connectors.create(call.account, creation, request_digest(call.input)));
}

Members get_connector(Backend& backend, const Call& call) {
  return answered(backend.connectors.get(call.account, required_text(call.input, "Identifier")));
}

Members update_connector(Backend& backend, const Call& call) {
  return answered(backend.connectors.update(call.account,
                                            required_text(call.input, "Identifier"),
                                            configuration_of(call.input),
                                            optional_text(call.input, "OperatorRole")));
}

Members delete_connector(Backend& backend, const Call& call) {
  return answered(backend.connectors.remove(call.account, required_text(call.input, "Identifier")));
}

// As answer_page(), in the words of this service.
Members list_connectors(Backend& backend, const Call& call) {
  const std::string scope = call.account + '\n' + std::string(call.operation.name) + '\n' + filter_scope(call.input);
  std::optional<std::string> after;
  if (const auto marker = optional_text(call.input, "Marker")) {
    after = backend.pages.open(scope, *marker);
    if (!after) {
      return control::refuse(control::ServiceErrorKind::kValidation,
                             "The Marker is invalid or has expired; list again without it");
    }
  }
  const int limit = optional_number(call.input, "MaxItems").value_or(50);
  const auto page = backend.connectors.list(call.account, static_cast<std::size_t>(limit), after);
  if (!page) {
    return tl::unexpected(page.error());
  }
  const auto state = optional_text(call.input, "State");
  json::array items;
  for (const control::NetworkConnector& connector : page->items) {
    if (!state || *state == control::to_string(connector.state)) {
      items.push_back(connector_members(connector));
    }
  }
  json::object answer;
  answer["NetworkConnectors"] = std::move(items);
  if (page->next) {
    answer["NextMarker"] = backend.pages.issue(scope, *page->next);
  }
  return answer;
}

}  // namespace dormouse::api
