// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/identifiers.h"
#include "control/images.h"
#include "control/records.h"
#include "control/service_error.h"
#include "host/host.h"

namespace dormouse::control {

// Customer network connectors (specification sections 1.9 and 9): their records and lifecycle.
//
//   PENDING --> ACTIVE --delete--> DELETING --> gone
//
// There is no VPC behind a connector. It is a name with a configuration that a VM's egress can be mapped to: see
// World::customer_egress. So nothing can fail: FAILED, INACTIVE and DELETE_FAILED do not occur. A deleted connector is
// remembered for a day, because deleting it again succeeds.
//
// Thread-safe; calls block on the metadata store.
class NetworkConnectors {
 public:
  explicit NetworkConnectors(World& world);
  ~NetworkConnectors();
  NetworkConnectors(const NetworkConnectors&) = delete;
  NetworkConnectors& operator=(const NetworkConnectors&) = delete;

  struct Creation {
    std::string name;
    ConnectorConfiguration configuration;
    std::optional<std::string> operator_role;  // optional in the model; creation refuses to go without it
    std::optional<std::string> client_token;   // likewise
    std::optional<Tags> tags;
  };
  // Answers PENDING; it becomes ACTIVE by itself. Repeated with the same token it answers with the connector that is there.
  Answer<NetworkConnector> create(const std::string& account,
                                  const Creation& creation,
                                  const std::string& request_digest);
  // `identifier`: id, name or ARN.
  Answer<NetworkConnector> get(const std::string& account, const std::string& identifier) const;
  Answer<Page<NetworkConnector>> list(const std::string& account,
                                      std::size_t limit,
                                      const std::optional<std::string>& after) const;
  // What is not given stays. Of an ACTIVE connector only; VMs keep the egress that they were launched with.
  Answer<NetworkConnector> update(const std::string& account,
                                  const std::string& identifier,
                                  const std::optional<ConnectorConfiguration>& configuration,
                                  const std::optional<std::string>& operator_role);
  Answer<NetworkConnector> remove(const std::string& account, const std::string& identifier);
  Answer<void> change_tags(const std::string& account, const std::string& identifier, const TagChange& change);

  // `observer` is called after a connector became ACTIVE or was deleted, from any thread. To be set before start().
  void on_change(std::function<void(const NetworkConnector&)> observer);

  void start();  // takes up what an earlier daemon left
  void stop();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

std::string connector_arn(const Caller& caller, const std::string& id);

// Refuses the customer connectors among `connectors` that are not there or not ACTIVE.
Answer<void> check_customer_connectors(const World& world,
                                       const Caller& caller,
                                       const std::vector<std::string>& connectors);

// Where a guest with these egress connectors may connect to: with the managed INTERNET_EGRESS anywhere public, with customer
// connectors alone where World::customer_egress says.
host::Egress egress_of(const World& world, const std::vector<std::string>& connectors);

}  // namespace dormouse::control
