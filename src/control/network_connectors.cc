// SPDX-License-Identifier: Apache-2.0

#include "control/network_connectors.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/uuid.h"
#include "control/client_tokens.h"
#include "control/decoded_page.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/tags.h"
#include "control/timers.h"
#include "control/world.h"
#include "os/worker_pool.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

constexpr const char* kCreate = "CreateNetworkConnector";
constexpr std::chrono::hours kDeletedRetention{24};
constexpr std::size_t kLeftOverRowsMax = 1000;
constexpr std::size_t kSweepRowsMax = 100;
constexpr std::string_view kIdPrefix = "nc-";

tl::unexpected<ServiceError> not_found(const std::string& arn) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("Network connector not found for: {}", arn));
}

tl::unexpected<ServiceError> required(const char* member) {
  return refuse(ServiceErrorKind::kValidation, fmt::format("{} is a required field", member));
}

// What the model leaves optional and the service demands.
Answer<void> check_configuration(const ConnectorConfiguration& configuration) {
  if (configuration.subnet_ids.empty()) {
    return required("SubnetIds");
  }
  if (!configuration.network_protocol) {
    return required("NetworkProtocol");
  }
  if (configuration.compute_resource_types.empty()) {
    return required("AssociatedComputeResourceTypes");
  }
  return {};
}

}  // namespace

std::string connector_arn(const Caller& caller, const std::string& id) {
  return fmt::format("arn:aws:lambda:{}:{}:network-connector:{}", caller.region, caller.account, id);
}

class NetworkConnectors::Implementation {
 public:
  explicit Implementation(World& the_world) : world(the_world), timers_(the_world.clock), workers_({1, 100'000}) {}

  Answer<NetworkConnector> create(const std::string& account, const Creation& creation, const std::string& digest);
  Answer<NetworkConnector> update(const std::string& account,
                                  const std::string& identifier,
                                  const std::optional<ConnectorConfiguration>& configuration,
                                  const std::optional<std::string>& operator_role);
  Answer<NetworkConnector> remove(const std::string& account, const std::string& identifier);
  Answer<void> change_tags(const std::string& account, const std::string& identifier, const TagChange& change);
  // With `deleted` also one that was deleted, by its id or ARN.
  Answer<NetworkConnector> find(const std::string& account, const std::string& identifier, bool deleted) const;
  void start();
  void stop();

  World& world;
  std::function<void(const NetworkConnector&)> observer;  // constant after start

 private:
  Answer<std::optional<NetworkConnector>> replay(const std::string& account,
                                                 const std::string& client_token,
                                                 const std::string& digest) const;
  Status put(const NetworkConnector& connector);
  void plan_settling(const NetworkConnector& connector);
  void settle(const NetworkConnector& planned);
  WallTime now() const { return rounded(world.clock.wall()); }

  std::mutex mutex_;  // held while records of connectors are changed
  Timers timers_;
  os::WorkerPool workers_;
};

Answer<NetworkConnector> NetworkConnectors::Implementation::find(const std::string& account,
                                                                 const std::string& identifier,
                                                                 bool deleted) const {
  const Caller caller{account, world.region};
  const std::string prefix = connector_arn(caller, "");
  const std::string name = identifier.starts_with(prefix) ? identifier.substr(prefix.size()) : identifier;
  const std::string arn = identifier.starts_with("arn:") ? identifier : connector_arn(caller, identifier);
  auto row = world.metadata.connector(name);
  if (row && !*row && name == identifier) {
    row = world.metadata.connector_by_name(account, name);
  }
  if (!row) {
    return refuse_internally("read a connector", row.error());
  }
  if (!*row || (*row)->account != account || ((*row)->deleted_at && !deleted)) {
    return not_found(arn);
  }
  return answer_of(decode(**row), "read a connector");
}

Answer<std::optional<NetworkConnector>> NetworkConnectors::Implementation::replay(const std::string& account,
                                                                                  const std::string& client_token,
                                                                                  const std::string& digest) const {
  const TokenUse use{account, kCreate, client_token, digest};
  const auto token = find_token(world.metadata, use, world.clock.wall(), "ClientToken");
  if (!token) {
    return tl::unexpected(token.error());
  }
  if (!*token) {
    return std::nullopt;
  }
  auto existing = find(account, (*token)->resource, false);
  if (!existing) {
    if (existing.error().kind == ServiceErrorKind::kResourceNotFound) {
      return std::nullopt;
    }
    return tl::unexpected(existing.error());
  }
  return *std::move(existing);
}

Status NetworkConnectors::Implementation::put(const NetworkConnector& connector) {
  store::Changes changes;
  changes.connectors.push_back(encode(connector));
  return world.metadata.apply(changes);
}

Answer<NetworkConnector> NetworkConnectors::Implementation::create(const std::string& account,
                                                                   const Creation& creation,
                                                                   const std::string& digest) {
  if (!creation.client_token) {
    return required("ClientToken");
  }
  if (!creation.operator_role) {
    return refuse(ServiceErrorKind::kValidation,
                  "NetworkConnectorOperatorRole is required for VPC_EGRESS connector type");
  }
  if (const auto checked = check_configuration(creation.configuration); !checked) {
    return tl::unexpected(checked.error());
  }
  if (creation.tags) {
    if (const auto checked = check_tag_count(*creation.tags); !checked) {
      return tl::unexpected(checked.error());
    }
  }
  const std::lock_guard lock(mutex_);
  if (auto replayed = replay(account, *creation.client_token, digest); !replayed || *replayed) {
    return std::move(replayed).map([](std::optional<NetworkConnector> existing) { return *std::move(existing); });
  }
  NetworkConnector connector;
  connector.account = account;
  connector.id = std::string(kIdPrefix) + make_uuid();
  connector.arn = connector_arn({account, world.region}, connector.id);
  connector.name = creation.name;
  connector.configuration = creation.configuration;
  connector.operator_role = *creation.operator_role;
  connector.tags = creation.tags;
  connector.state_reason = "Initial creation";
  connector.created_at = now();
  connector.last_modified = connector.created_at;
  store::Changes changes;
  changes.connectors.push_back(encode(connector));
  const TokenUse use{account, kCreate, *creation.client_token, digest};
  changes.tokens.push_back(token_row(use, connector.id, "{}", connector.created_at));
  if (const auto taken = world.metadata.connector_by_name(account, connector.name); !taken || *taken) {
    return taken ? refuse(ServiceErrorKind::kConflict,
                          fmt::format("A network connector with the name '{}' already exists in this account: {}",
                                      connector.name,
                                      connector_arn({account, world.region}, (*taken)->id)))
                 : refuse_internally("read a connector", taken.error());
  }
  if (const Status stored = world.metadata.apply(changes); !stored) {
    return refuse_internally("store a connector", stored.error());
  }
  plan_settling(connector);
  return connector;
}

Answer<NetworkConnector> NetworkConnectors::Implementation::update(
    const std::string& account,
    const std::string& identifier,
    const std::optional<ConnectorConfiguration>& configuration,
    const std::optional<std::string>& operator_role) {
  const std::lock_guard lock(mutex_);
  auto found = find(account, identifier, false);
  if (!found) {
    return found;
  }
  NetworkConnector connector = *std::move(found);
  if (connector.state != ConnectorState::kActive) {
    return refuse(ServiceErrorKind::kConflict,
                  fmt::format("Network connector {} is in state {}; it can be updated in state ACTIVE",
                              connector.arn,
                              to_string(connector.state)));
  }
  if (configuration) {
    if (const auto checked = check_configuration(*configuration); !checked) {
      return tl::unexpected(checked.error());
    }
  }
  const bool changes = (configuration && !(*configuration == connector.configuration)) ||
                       (operator_role && *operator_role != connector.operator_role);
  connector.configuration = configuration.value_or(connector.configuration);
  connector.operator_role = operator_role.value_or(connector.operator_role);
  connector.last_update_status = "Successful";
  std::optional<std::string> reason;
  if (changes) {
    ++connector.version;
    connector.last_modified = now();
  } else {
    reason = "No configuration changes detected";
  }
  connector.last_update_reason = std::move(reason);
  if (const Status stored = put(connector); !stored) {
    return refuse_internally("store a connector", stored.error());
  }
  return connector;
}

Answer<NetworkConnector> NetworkConnectors::Implementation::remove(const std::string& account,
                                                                   const std::string& identifier) {
  const std::lock_guard lock(mutex_);
  auto connector = find(account, identifier, true);
  if (!connector || connector->state == ConnectorState::kDeleting) {
    return connector;
  }
  if (connector->state != ConnectorState::kActive && connector->state != ConnectorState::kFailed) {
    return refuse(ServiceErrorKind::kConflict,
                  fmt::format("Network connector {} is in state {}; it can be deleted in state ACTIVE or FAILED",
                              connector->arn,
                              to_string(connector->state)));
  }
  connector->state = ConnectorState::kDeleting;
  connector->last_modified = now();
  if (const Status stored = put(*connector); !stored) {
    return refuse_internally("store a connector", stored.error());
  }
  plan_settling(*connector);
  return connector;
}

Answer<void> NetworkConnectors::Implementation::change_tags(const std::string& account,
                                                            const std::string& identifier,
                                                            const TagChange& change) {
  const std::lock_guard lock(mutex_);
  auto connector = find(account, identifier, false);
  if (!connector) {
    return tl::unexpected(connector.error());
  }
  if (const auto changed = apply_change(connector->tags, change); !changed) {
    return changed;
  }
  if (const Status stored = put(*connector); !stored) {
    return refuse_internally("store a connector", stored.error());
  }
  return {};
}

void NetworkConnectors::Implementation::plan_settling(const NetworkConnector& connector) {
  timers_.at(world.clock.steady() + world.connector_settle_time, [this, connector] {
    if (!workers_.post([this, connector] { settle(connector); })) {
      log::debug("a connector settles after the next start", {{"connector", connector.id}});
    }
  });
}

void NetworkConnectors::Implementation::settle(const NetworkConnector& planned) {
  NetworkConnector settled;
  {
    const std::lock_guard lock(mutex_);
    const auto connector = find(planned.account, planned.id, false);
    if (!connector || connector->state != planned.state) {
      return;
    }
    settled = *connector;
    settled.last_modified = now();
    if (settled.state == ConnectorState::kPending) {
      settled.state = ConnectorState::kActive;
      settled.state_reason.reset();
    } else {
      settled.deleted_at = settled.last_modified;  // the state stays: it is what deleting again answers
    }
    const Status stored = put(settled);
    const auto swept = world.metadata.remove_connectors_deleted_before(now() - kDeletedRetention, kSweepRowsMax);
    if (!stored || !swept) {
      log::error("a connector's record could not be stored",
                 {{"connector", settled.id}, {"error", (stored ? swept.error() : stored.error()).message()}});
    }
  }
  if (observer) {
    observer(settled);
  }
}

void NetworkConnectors::Implementation::start() {
  for (const ConnectorState state : {ConnectorState::kPending, ConnectorState::kDeleting}) {
    const auto rows = world.metadata.connectors_in_state(to_string(state), kLeftOverRowsMax);
    if (!rows) {
      log::error("the records of connectors cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (const store::ConnectorRow& row : *rows) {
      if (const auto connector = decode(row)) {
        plan_settling(*connector);
      }
    }
  }
}

void NetworkConnectors::Implementation::stop() {
  timers_.stop();
  workers_.stop();
}

// ---- the interface ----

NetworkConnectors::NetworkConnectors(World& world) : implementation_(std::make_unique<Implementation>(world)) {}
NetworkConnectors::~NetworkConnectors() { stop(); }

Answer<NetworkConnector> NetworkConnectors::create(const std::string& account,
                                                   const Creation& creation,
                                                   const std::string& request_digest) {
  return implementation_->create(account, creation, request_digest);
}

Answer<NetworkConnector> NetworkConnectors::get(const std::string& account, const std::string& identifier) const {
  return implementation_->find(account, identifier, false);
}

Answer<Page<NetworkConnector>> NetworkConnectors::list(const std::string& account,
                                                       std::size_t limit,
                                                       const std::optional<std::string>& after) const {
  return decoded_page(implementation_->world.metadata.list_connectors(account, {limit, after}), "list connectors");
}

Answer<NetworkConnector> NetworkConnectors::update(const std::string& account,
                                                   const std::string& identifier,
                                                   const std::optional<ConnectorConfiguration>& configuration,
                                                   const std::optional<std::string>& operator_role) {
  return implementation_->update(account, identifier, configuration, operator_role);
}

Answer<NetworkConnector> NetworkConnectors::remove(const std::string& account, const std::string& identifier) {
  return implementation_->remove(account, identifier);
}

Answer<void> NetworkConnectors::change_tags(const std::string& account,
                                            const std::string& identifier,
                                            const TagChange& change) {
  return implementation_->change_tags(account, identifier, change);
}

void NetworkConnectors::on_change(std::function<void(const NetworkConnector&)> observer) {
  implementation_->observer = std::move(observer);
}

void NetworkConnectors::start() { implementation_->start(); }
void NetworkConnectors::stop() { implementation_->stop(); }

// ---- for launches and builds ----

Answer<void> check_customer_connectors(const World& world,
                                       const Caller& caller,
                                       const std::vector<std::string>& connectors) {
  const std::string prefix = connector_arn(caller, std::string(kIdPrefix));
  for (const std::string& connector : connectors) {
    if (!connector.starts_with(prefix)) {
      continue;  // a managed one
    }
    const auto row = world.metadata.connector(connector.substr(connector.rfind(':') + 1));
    if (!row) {
      return refuse_internally("read a connector", row.error());
    }
    if (!*row || (*row)->account != caller.account || (*row)->deleted_at) {
      return not_found(connector);
    }
    if ((*row)->state != to_string(ConnectorState::kActive)) {
      return refuse(
          ServiceErrorKind::kValidation,
          fmt::format("Network connector {} is in state {}; it must be ACTIVE to be used", connector, (*row)->state));
    }
  }
  return {};
}

host::Egress egress_of(const World& world, const std::vector<std::string>& connectors) {
  if (connectors.empty()) {
    return host::Egress::kNone;
  }
  const std::string internet = managed_connector_arn(world.region, "INTERNET_EGRESS");
  const bool managed = std::find(connectors.begin(), connectors.end(), internet) != connectors.end();
  return managed ? host::Egress::kInternet : world.customer_egress;
}

}  // namespace dormouse::control
