// SPDX-License-Identifier: Apache-2.0

#include "control/network_connector_codec.h"

#include <chrono>

#include <boost/json.hpp>
#include <fmt/core.h>

namespace dormouse::control {

namespace json = boost::json;

namespace {

constexpr std::array kAllConnectorStates = {
    ConnectorState::kPending,
    ConnectorState::kActive,
    ConnectorState::kInactive,
    ConnectorState::kFailed,
    ConnectorState::kDeleting,
    ConnectorState::kDeleteFailed,
};

std::int64_t microseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

template <typename T>
void put(json::object& object, const char* name, const std::optional<T>& value) {
  if (value) {
    object[name] = json::value_from(*value);
  }
}

// False for a member of a wrong type.
template <typename T>
bool get(const json::object& object, const char* name, T& target) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) {
    return true;
  }
  auto read = json::try_value_to<T>(*value);
  if (read) {
    target = *std::move(read);
  }
  return read.has_value();
}
template <typename T>
bool get(const json::object& object, const char* name, std::optional<T>& target) {
  return !object.contains(name) || get(object, name, target.emplace());
}

}  // namespace

store::ConnectorRow encode(const NetworkConnector& connector) {
  json::object document;
  document["subnet_ids"] = json::value_from(connector.configuration.subnet_ids);
  put(document, "security_group_ids", connector.configuration.security_group_ids);
  put(document, "network_protocol", connector.configuration.network_protocol);
  document["compute_resource_types"] = json::value_from(connector.configuration.compute_resource_types);
  document["operator_role"] = connector.operator_role;
  document["version"] = connector.version;
  put(document, "tags", connector.tags);
  put(document, "state_reason", connector.state_reason);
  put(document, "last_update_status", connector.last_update_status);
  put(document, "last_update_reason", connector.last_update_reason);
  document["last_modified"] = microseconds(connector.last_modified);
  return {.id = connector.id,
          .account = connector.account,
          .name = connector.name,
          .arn = connector.arn,
          .state = std::string(to_string(connector.state)),
          .created_at = connector.created_at,
          .deleted_at = connector.deleted_at,
          .document = json::serialize(document)};
}

Result<NetworkConnector> decode(const store::ConnectorRow& row) {
  json::error_code error;
  const json::value value = json::parse(row.document, error);
  if (error || !value.is_object()) {
    return fail(ErrorKind::kDataLoss, fmt::format("connector {}: the document is no JSON object", row.id));
  }
  const json::object& document = value.get_object();
  NetworkConnector connector;
  connector.account = row.account;
  connector.id = row.id;
  connector.arn = row.arn;
  connector.name = row.name;
  connector.created_at = row.created_at;
  connector.deleted_at = row.deleted_at;
  bool known_state = false;
  for (const ConnectorState state : kAllConnectorStates) {
    if (to_string(state) == row.state) {
      connector.state = state;
      known_state = true;
    }
  }
  std::int64_t last_modified = microseconds(row.created_at);
  const bool whole = known_state && get(document, "subnet_ids", connector.configuration.subnet_ids) &&
                     get(document, "security_group_ids", connector.configuration.security_group_ids) &&
                     get(document, "network_protocol", connector.configuration.network_protocol) &&
                     get(document, "compute_resource_types", connector.configuration.compute_resource_types) &&
                     get(document, "operator_role", connector.operator_role) &&
                     get(document, "version", connector.version) && get(document, "tags", connector.tags) &&
                     get(document, "state_reason", connector.state_reason) &&
                     get(document, "last_update_status", connector.last_update_status) &&
                     get(document, "last_update_reason", connector.last_update_reason) &&
                     get(document, "last_modified", last_modified);
  connector.last_modified = WallTime(std::chrono::microseconds(last_modified));
  if (!whole) {
    return fail(ErrorKind::kDataLoss,
                fmt::format("connector {}: a column or member has a value that is none of ours", row.id));
  }
  return connector;
}

}  // namespace dormouse::control
