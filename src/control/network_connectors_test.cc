// SPDX-License-Identifier: Apache-2.0

#include "control/network_connectors.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/tags.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using test::ControlFixture;
using testing::ElementsAre;
using testing::StartsWith;

constexpr const char* kAccount = ControlFixture::kAccount;

class NetworkConnectorsTest : public testing::Test {
 protected:
  NetworkConnectorsTest() { fixture.start(); }

  static NetworkConnectors::Creation creation(const std::string& name = "net", const std::string& token = "token") {
    NetworkConnectors::Creation creation;
    creation.name = name;
    creation.configuration = {{"subnet-1"}, std::nullopt, "IPv4", {"MicroVm"}};
    creation.operator_role = "arn:aws:iam::000000000000:role/operator";
    creation.client_token = token;
    return creation;
  }
  Answer<NetworkConnector> create(const NetworkConnectors::Creation& wanted, const std::string& digest = "digest") {
    return fixture.connectors->create(kAccount, wanted, digest);
  }
  NetworkConnector create_active() {
    const auto created = create(creation());
    EXPECT_TRUE(created);
    EXPECT_TRUE(fixture.wait_for_connectors(++settled));
    return get(created->id);
  }
  NetworkConnector get(const std::string& identifier) { return fixture.connectors->get(kAccount, identifier).value(); }
  Answer<NetworkConnector> remove(const std::string& identifier) {
    return fixture.connectors->remove(kAccount, identifier);
  }
  template <typename T>
  static std::string refusal(const Answer<T>& answer) {
    return answer ? "accepted" : answer.error().message;
  }
  RunRequest run_with(const std::string& connector) {
    RunRequest request = fixture.run_request();
    request.egress_network_connectors = {connector};
    return request;
  }

  ControlFixture fixture;
  int settled = 0;
};

TEST_F(NetworkConnectorsTest, ConnectorIsPendingAndThenActive) {
  const auto created = create(creation());
  ASSERT_TRUE(created);
  EXPECT_THAT(created->id, StartsWith("nc-"));
  EXPECT_EQ(created->arn, "arn:aws:lambda:us-east-1:000000000000:network-connector:" + created->id);
  EXPECT_EQ(created->state, ConnectorState::kPending);
  EXPECT_EQ(created->state_reason, "Initial creation");
  EXPECT_EQ(get(created->id).state, ConnectorState::kPending);
  ASSERT_TRUE(fixture.wait_for_connectors(1));
  EXPECT_EQ(get(created->id).state, ConnectorState::kActive);
  EXPECT_FALSE(get(created->id).state_reason);
}

TEST_F(NetworkConnectorsTest, IdNameAndArnNameTheSame) {
  const NetworkConnector connector = create_active();
  EXPECT_EQ(get(connector.name).id, connector.id);
  EXPECT_EQ(get(connector.arn).id, connector.id);
  EXPECT_EQ(refusal(fixture.connectors->get("111111111111", connector.id)),
            "Network connector not found for: arn:aws:lambda:us-east-1:111111111111:network-connector:" + connector.id);
  EXPECT_EQ(refusal(fixture.connectors->get(kAccount, "absent")),
            "Network connector not found for: arn:aws:lambda:us-east-1:000000000000:network-connector:absent");
}

TEST_F(NetworkConnectorsTest, WhatTheServiceDemandsBeyondTheModelIsDemanded) {
  NetworkConnectors::Creation wanted = creation();
  wanted.client_token.reset();
  EXPECT_EQ(refusal(create(wanted)), "ClientToken is a required field");
  wanted = creation();
  wanted.operator_role.reset();
  EXPECT_EQ(refusal(create(wanted)), "NetworkConnectorOperatorRole is required for VPC_EGRESS connector type");
  wanted = creation();
  wanted.configuration.network_protocol.reset();
  EXPECT_EQ(refusal(create(wanted)), "NetworkProtocol is a required field");
  wanted = creation();
  wanted.configuration.compute_resource_types.clear();
  EXPECT_EQ(refusal(create(wanted)), "AssociatedComputeResourceTypes is a required field");
  wanted = creation();
  wanted.configuration.subnet_ids.clear();
  EXPECT_EQ(refusal(create(wanted)), "SubnetIds is a required field");
}

TEST_F(NetworkConnectorsTest, SameTokenAnswersWithTheConnectorThatIsThere) {
  const NetworkConnector first = create_active();
  const auto again = create(creation());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first.id);
  EXPECT_EQ(again->state, ConnectorState::kActive);
  const auto other = create(creation("other"), "other digest");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ServiceErrorKind::kConflict);
}

TEST_F(NetworkConnectorsTest, NameIsTakenUntilTheConnectorIsGone) {
  const NetworkConnector first = create_active();
  const auto second = create(creation("net", "token-2"), "digest");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ServiceErrorKind::kConflict);
  EXPECT_EQ(second.error().message,
            "A network connector with the name 'net' already exists in this account: " + first.arn);
  ASSERT_TRUE(remove(first.id));
  EXPECT_FALSE(create(creation("net", "token-2")));
  ASSERT_TRUE(fixture.wait_for_connectors(2));
  const auto third = create(creation());  // with the token of the one that is gone
  ASSERT_TRUE(third);
  EXPECT_NE(third->id, first.id);
}

TEST_F(NetworkConnectorsTest, DeletionIsAsynchronousAndMayBeRepeatedAfterwards) {
  const NetworkConnector connector = create_active();
  const auto removed = remove(connector.name);
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->state, ConnectorState::kDeleting);
  EXPECT_EQ(get(connector.id).state, ConnectorState::kDeleting);
  EXPECT_TRUE(remove(connector.id));
  ASSERT_TRUE(fixture.wait_for_connectors(2));
  EXPECT_FALSE(fixture.connectors->get(kAccount, connector.id));
  EXPECT_TRUE(fixture.connectors->list(kAccount, 10, std::nullopt)->items.empty());
  EXPECT_EQ(remove(connector.id)->state, ConnectorState::kDeleting);
  EXPECT_EQ(remove(connector.arn)->id, connector.id);
  EXPECT_FALSE(remove(connector.name));
}

TEST_F(NetworkConnectorsTest, PendingConnectorIsNeitherUpdatedNorDeleted) {
  const NetworkConnector connector = create(creation()).value();
  EXPECT_EQ(refusal(fixture.connectors->update(kAccount, connector.id, std::nullopt, std::nullopt)),
            "Network connector " + connector.arn + " is in state PENDING; it can be updated in state ACTIVE");
  EXPECT_EQ(refusal(remove(connector.id)),
            "Network connector " + connector.arn + " is in state PENDING; it can be deleted in state ACTIVE or FAILED");
}

TEST_F(NetworkConnectorsTest, UpdateReplacesWhatIsGivenAndSaysWhenNothingChanged) {
  const NetworkConnector connector = create_active();
  ConnectorConfiguration configuration = connector.configuration;
  const auto same = fixture.connectors->update(kAccount, connector.id, configuration, std::nullopt);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->last_update_status, "Successful");
  EXPECT_EQ(same->last_update_reason, "No configuration changes detected");
  EXPECT_EQ(same->version, 1);
  configuration.subnet_ids = {"subnet-2", "subnet-3"};
  const auto changed = fixture.connectors->update(kAccount, connector.id, configuration, std::nullopt);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(changed->last_update_reason);
  EXPECT_EQ(get(connector.id).version, 2);
  EXPECT_THAT(get(connector.id).configuration.subnet_ids, ElementsAre("subnet-2", "subnet-3"));
  EXPECT_EQ(get(connector.id).operator_role, connector.operator_role);
}

TEST_F(NetworkConnectorsTest, RestartTakesUpWhatWasPending) {
  const NetworkConnector connector = create(creation()).value();
  fixture.restart();
  fixture.start();
  ASSERT_TRUE(fixture.wait_for_connectors(1));
  EXPECT_EQ(get(connector.id).state, ConnectorState::kActive);
  EXPECT_EQ(get(connector.id).configuration, connector.configuration);
}

TEST_F(NetworkConnectorsTest, TagsAreMergedRemovedAndBounded) {
  const NetworkConnector connector = create_active();
  ASSERT_TRUE(fixture.connectors->change_tags(kAccount, connector.arn, {{{"a", "1"}, {"b", "2"}}, {}}));
  ASSERT_TRUE(fixture.connectors->change_tags(kAccount, connector.arn, {{{"a", "3"}}, {}}));
  ASSERT_TRUE(fixture.connectors->change_tags(kAccount, connector.arn, {{}, {"b", "absent"}}));
  EXPECT_EQ(get(connector.id).tags, (Tags{{"a", "3"}}));
  Tags many;
  for (std::size_t index = 0; index < kTagsMax; ++index) {
    many["key" + std::to_string(index)] = "";
  }
  EXPECT_EQ(refusal(fixture.connectors->change_tags(kAccount, connector.arn, {many, {}})),
            "The resource would have 51 tags; at most 50 are allowed. Remove some with UntagResource.");
  EXPECT_EQ(get(connector.id).tags, (Tags{{"a", "3"}}));
}

// ---- what they mean to VMs and builds ----

TEST_F(NetworkConnectorsTest, VmTakesAnActiveConnectorAndReachesNothingByDefault) {
  fixture.create_image();
  const NetworkConnector connector = create_active();
  const Microvm vm = fixture.run_to_running(run_with(connector.arn));
  EXPECT_THAT(vm.egress_network_connectors, ElementsAre(connector.arn));
  EXPECT_EQ(fixture.host.launches().back().egress, host::Egress::kNone);
}

TEST_F(NetworkConnectorsTest, EgressOfConnectorsIsWhatTheConfigurationMapsThemTo) {
  World& world = *fixture.world;
  const std::string internet = managed_connector_arn("us-east-1", "INTERNET_EGRESS");
  const std::string own = connector_arn({kAccount, "us-east-1"}, "nc-1");
  EXPECT_EQ(egress_of(world, {}), host::Egress::kNone);
  EXPECT_EQ(egress_of(world, {internet}), host::Egress::kInternet);
  EXPECT_EQ(egress_of(world, {own}), host::Egress::kNone);
  EXPECT_EQ(egress_of(world, {own, internet}), host::Egress::kInternet);
  world.customer_egress = host::Egress::kInternet;
  EXPECT_EQ(egress_of(world, {own}), host::Egress::kInternet);
}

TEST_F(NetworkConnectorsTest, VmIsRefusedAConnectorThatIsNotActiveOrNotThere) {
  fixture.create_image();
  const NetworkConnector pending = create(creation()).value();
  const auto run = [&](const RunRequest& request) {
    return refusal(fixture.microvms->run(kAccount, request, "digest"));
  };
  EXPECT_EQ(run(run_with(pending.arn)),
            "Network connector " + pending.arn + " is in state PENDING; it must be ACTIVE to be used");
  EXPECT_EQ(run(run_with(pending.arn + "0")), "Network connector not found for: " + pending.arn + "0");
  RunRequest ingress = fixture.run_request();
  ingress.ingress_network_connectors = {pending.arn};
  EXPECT_EQ(run(ingress), "Network connector " + pending.arn + " is of type VPC_EGRESS; it cannot be used for ingress");
}

TEST_F(NetworkConnectorsTest, ImageIsBuiltWithTheEgressOfItsConnector) {
  const NetworkConnector connector = create_active();
  ImageSpecification specification = ControlFixture::specification();
  specification.egress_network_connectors = {{connector.arn}};
  fixture.create_image(specification);
  EXPECT_EQ(fixture.host.builds().back().egress, host::Egress::kNone);
  fixture.run_to_running(fixture.run_request());
  EXPECT_EQ(fixture.host.launches().back().egress, host::Egress::kNone);
}

}  // namespace
}  // namespace dormouse::control
