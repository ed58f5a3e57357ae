// SPDX-License-Identifier: Apache-2.0
//
// Recorded exchanges of the operations on tags and network connectors, and of quotas (api/golden.h).

#include "api/golden.h"

namespace dormouse::api {
namespace {

// --- tags ---

TEST_F(GoldenTest, TagsOfAnImage) {
  world.create_image("demo");
  const std::string path = kTagsPath + TestWorld::image_arn("demo");
  check("ListTags/none", get(path));
  check("TagResource/success", {"POST", path, R"({"Tags":{"team":"a","stage":"test"}})"});
  check("TagResource/merge", {"POST", path, R"({"Tags":{"team":"b"}})"});
  check("ListTags/success", get(path));
  check("GetMicrovmImage/tagged", get(image_path("demo")));
  check("UntagResource/success", {"DELETE", path + "?tagKeys=stage&tagKeys=absent", ""});
  check("UntagResource/again", {"DELETE", path + "?tagKeys=stage", ""});
  check("ListTags/encoded_arn",
        get(kTagsPath + "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Amicrovm-image%3Ademo"));
}

TEST_F(GoldenTest, TagRefusals) {
  world.create_image("demo");
  const std::string path = kTagsPath + TestWorld::image_arn("demo");
  check("ListTags/missing_image", get(kTagsPath + TestWorld::image_arn("absent")));
  check("ListTags/missing_connector",
        get(kTagsPath + "arn:aws:lambda:us-east-1:000000000000:network-connector:nc-absent"));
  check("ListTags/function", get(kTagsPath + "arn:aws:lambda:us-east-1:000000000000:function:f"));
  check("ListTags/other_account", get(kTagsPath + "arn:aws:lambda:us-east-1:111111111111:microvm-image:demo"));
  check("ListTags/microvm", get(kTagsPath + "arn:aws:lambda:us-east-1:000000000000:microvm:m"));
  check("ListTags/bare_name", get(kTagsPath + "demo"));
  check("TagResource/missing_tags", {"POST", path, "{}"});
  check("TagResource/bad_key", {"POST", path, R"({"Tags":{"a*":"b"}})"});
  check("TagResource/long_value", {"POST", path, fmt::format(R"({{"Tags":{{"a":"{}"}}}})", std::string(257, 'x'))});
  check("TagResource/missing_image", {"POST", kTagsPath + TestWorld::image_arn("absent"), R"({"Tags":{"a":"b"}})"});
  std::string many;
  for (int index = 0; index < 51; ++index) {
    many += fmt::format(R"({}"k{}":"")", index == 0 ? "" : ",", index);
  }
  check("TagResource/too_many", {"POST", path, "{\"Tags\":{" + many + "}}"});
  check("UntagResource/missing_keys", {"DELETE", path, ""});
  check("UntagResource/missing_image", {"DELETE", kTagsPath + TestWorld::image_arn("absent") + "?tagKeys=a", ""});
}

// --- network connectors ---

TEST_F(GoldenTest, NetworkConnectorThroughItsLife) {
  check("ListNetworkConnectors/empty", get(kConnectors));
  const net::Response created = check("CreateNetworkConnector/success", connect("net", R"(,"Tags":{"team":"a"})"));
  const std::string id = std::string(kConnectors) + "/" + connector_id(created);
  check("GetNetworkConnector/pending", get(id));
  check("UpdateNetworkConnector/pending", {"PUT", id, "{}"});
  check("DeleteNetworkConnector/pending", {"DELETE", id, ""});
  world.create_image("demo");
  const std::string arn = "arn:aws:lambda:us-east-1:000000000000:network-connector:" + connector_id(created);
  check("RunMicrovm/pending_connector", run(run_body("demo", ",\"egressNetworkConnectors\":[\"" + arn + "\"]")));
  ASSERT_TRUE(world.control.wait_for_connectors(1));
  check("GetNetworkConnector/active", get(id));
  check("GetNetworkConnector/by_name", get(std::string(kConnectors) + "/net"));
  check("GetNetworkConnector/by_arn", get(std::string(kConnectors) + "/" + arn));
  check("CreateNetworkConnector/same_token", connect("net", R"(,"Tags":{"team":"a"})"));
  check("RunMicrovm/active_connector", run(run_body("demo", ",\"egressNetworkConnectors\":[\"" + arn + "\"]")));
  check("CreateMicrovmImage/customer_connector",
        create(TestWorld::image_body("other", ",\"egressNetworkConnectors\":[\"" + arn + "\"]")));
  check("ListTags/connector", get(kTagsPath + arn));
  check("UpdateNetworkConnector/no_change", {"PUT", id, "{}"});
  check("UpdateNetworkConnector/success",
        {"PUT", id, R"({"OperatorRole":"arn:aws:iam::000000000000:role/other","ClientToken":"t"})"});
  check("GetNetworkConnector/updated", get(id));
  check("DeleteNetworkConnector/success", {"DELETE", id, ""});
  check("DeleteNetworkConnector/deleting", {"DELETE", id, ""});
  check("GetNetworkConnector/deleting", get(id));
  ASSERT_TRUE(world.control.wait_for_connectors(2));
  check("GetNetworkConnector/deleted", get(id));
  check("DeleteNetworkConnector/deleted", {"DELETE", id, ""});
}

TEST_F(GoldenTest, ListNetworkConnectorsPages) {
  for (const char* name : {"alpha", "beta", "gamma"}) {
    world.send(connect(name));
    world.control.clock.advance(std::chrono::seconds(1));
  }
  ASSERT_TRUE(world.control.wait_for_connectors(3));
  check("ListNetworkConnectors/all", get(kConnectors));
  const net::Response first = check("ListNetworkConnectors/first_page", get(std::string(kConnectors) + "?MaxItems=2"));
  const std::string& body = std::get<std::string>(first.body);
  std::smatch marker;
  ASSERT_TRUE(std::regex_search(body, marker, std::regex("\"NextMarker\":\"([^\"]+)\"")));
  check("ListNetworkConnectors/last_page", get(fmt::format("{}?MaxItems=2&Marker={}", kConnectors, marker[1].str())));
  check("ListNetworkConnectors/filter_after_paging", get(std::string(kConnectors) + "?State=FAILED&MaxItems=1"));
  check("ListNetworkConnectors/bad_state", get(std::string(kConnectors) + "?State=LOST"));
  check("ListNetworkConnectors/bad_marker", get(std::string(kConnectors) + "?Marker=forged"));
  check("ListNetworkConnectors/too_many", get(std::string(kConnectors) + "?MaxItems=101"));
}

TEST_F(GoldenTest, NetworkConnectorRefusals) {
  const auto post = [&](const char* name, const std::string& body) {
    check(std::string("CreateNetworkConnector/") + name, {"POST", kConnectors, body});
  };
  const std::string role = R"(,"OperatorRole":"arn:aws:iam::000000000000:role/operator")";
  const std::string whole =
      R"("SubnetIds":["subnet-1"],"NetworkProtocol":"IPv4","AssociatedComputeResourceTypes":["MicroVm"])";
  const auto body = [](const std::string& egress, const std::string& rest) {
    return R"({"Name":"net","Configuration":{"VpcEgressConfiguration":{)" + egress + "}}" + rest + "}";
  };
  post("missing_members", "{}");
  post("no_token", body(whole, role));
  post("no_role", body(whole, R"(,"ClientToken":"t")"));
  post(
      "no_protocol",
      body(R"("SubnetIds":["subnet-1"],"AssociatedComputeResourceTypes":["MicroVm"])", role + R"(,"ClientToken":"t")"));
  post("no_compute_type", body(R"("SubnetIds":["subnet-1"],"NetworkProtocol":"IPv4")", role + R"(,"ClientToken":"t")"));
  post("no_subnets", body(R"("SubnetIds":[])", role));
  post("bad_subnet", body(R"("SubnetIds":["net-1"],"SecurityGroupIds":["1"],"NetworkProtocol":"IPv6")", role));
  post("bad_name", R"({"Name":"a b","Configuration":{"VpcEgressConfiguration":{}}})");
  post("empty_union", R"({"Name":"net","Configuration":{}})");
  world.send(connect("net"));
  post("duplicate_name", body(whole, role + R"(,"ClientToken":"another")"));
  post("token_conflict", connect("other", "", "token-net").body);
  check("GetNetworkConnector/missing", get(std::string(kConnectors) + "/nc-absent"));
  check("GetNetworkConnector/too_long", get(std::string(kConnectors) + "/" + std::string(141, 'a')));
  const std::string absent = "arn:aws:lambda:us-east-1:000000000000:network-connector:nc-absent";
  check("CreateMicrovmImage/missing_connector",
        create(TestWorld::image_body("demo", ",\"egressNetworkConnectors\":[\"" + absent + "\"]")));
  ASSERT_TRUE(world.control.wait_for_connectors(1));
  check("UpdateNetworkConnector/no_protocol",
        {"PUT",
         std::string(kConnectors) + "/net",
         R"({"Configuration":{"VpcEgressConfiguration":{"SubnetIds":["subnet-1"]}}})"});
  check("UpdateNetworkConnector/missing", {"PUT", std::string(kConnectors) + "/nc-absent", "{}"});
  check("UpdateNetworkConnector/bad_role", {"PUT", std::string(kConnectors) + "/net", R"({"OperatorRole":"me"})"});
  check("DeleteNetworkConnector/missing", {"DELETE", std::string(kConnectors) + "/nc-absent", ""});
}

// --- quotas and rates ---

TEST(GoldenQuotasTest, RefusalsOfTheServicesNumbers) {
  control::Quotas quotas = control::aws_quotas("us-east-1");
  quotas.memory_mib = 2048;
  quotas.images = 1;
  TestWorld world(quotas);
  world.create_image("demo");
  check(world, "CreateMicrovmImage/image_quota", create(TestWorld::image_body("other")));
  world.run_microvm(TestWorld::image_arn("demo"));
  check(world, "RunMicrovm/memory_quota", run(run_body("demo")));
  for (int call = 0; call < 2; ++call) {
    world.send({"POST", std::string(kAbsentVm) + "/suspend", ""});
  }
  check(world, "SuspendMicrovm/throttled_by_quota", {"POST", std::string(kAbsentVm) + "/suspend", ""});
  world.control.clock.advance(std::chrono::milliseconds(500));
  EXPECT_EQ(world.send({"POST", std::string(kAbsentVm) + "/suspend", ""}).status, 404);
}

TEST(GoldenQuotasTest, RefusalsOfBuildsAndVersions) {
  control::Quotas quotas;
  quotas.concurrent_builds = 1;
  quotas.versions_per_image = 2;
  TestWorld world(quotas);
  world.create_image("demo");
  world.host().hold(test::FakeHost::Call::kBuild);
  world.send(create(TestWorld::image_body("building")));
  check(world, "CreateMicrovmImage/build_quota", create(TestWorld::image_body("other")));
  check(world, "UpdateMicrovmImage/build_quota", update("demo"));
  world.host().release(test::FakeHost::Call::kBuild);
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 2));
  world.send(update("demo"));
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 3));
  check(world, "UpdateMicrovmImage/version_quota", update("demo"));
}

}  // namespace
}  // namespace dormouse::api
