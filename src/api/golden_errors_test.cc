// SPDX-License-Identifier: Apache-2.0
//
// What every operation answers to a caller who is too fast, when the records cannot be read, and to a stranger: as
// <Operation>/throttled, internal and other_account.

#include "api/golden.h"
#include "api/operations.h"
#include "store/sqlite.h"

namespace dormouse::api {
namespace {

constexpr const char* kStranger = "arn:aws:lambda:us-east-1:111111111111:microvm-image:demo";

// One request for each operation that keeps the model's constraints and names resources that are not there.
const std::vector<std::pair<const char*, TestRequest>>& plain_requests() {
  static const std::vector<std::pair<const char*, TestRequest>> requests = [] {
    const std::string image = image_path("absent");
    const std::string version = image_path("absent", "/versions/1.0");
    const std::string vm = kAbsentVm;
    const std::string connector = std::string(kConnectors) + "/nc-absent";
    const std::string tags = kTagsPath + TestWorld::image_arn("absent");
    const std::string ours = "/dormouse/2026-11-01";
    const std::string account = ours + "/accounts/999999999999";
    const std::string ports = R"({"expirationInMinutes":5,"allowedPorts":[{"port":8080}]})";
    return std::vector<std::pair<const char*, TestRequest>>{
        {"CreateMicrovmImage", create(TestWorld::image_body("demo"))},
        {"UpdateMicrovmImage", update("absent")},
        {"GetMicrovmImage", get(image)},
        {"ListMicrovmImages", get(kImages)},
        {"DeleteMicrovmImage", {"DELETE", image, ""}},
        {"GetMicrovmImageVersion", get(version)},
        {"ListMicrovmImageVersions", get(image + "/versions")},
        {"UpdateMicrovmImageVersion", patch("absent", "1.0", R"({"status":"ACTIVE"})")},
        {"DeleteMicrovmImageVersion", {"DELETE", version, ""}},
        {"ListMicrovmImageBuilds", get(version + "/builds")},
        {"GetMicrovmImageBuild", get(version + "/builds/none")},
        {"ListManagedMicrovmImages", get(kManaged)},
        {"ListManagedMicrovmImageVersions",
         get(std::string(kManaged) + "/arn:aws:lambda:us-east-1:aws:microvm-image:al2023-1/versions")},
        {"RunMicrovm", run(run_body("absent"))},
        {"GetMicrovm", get(vm)},
        {"ListMicrovms", get(kMicrovms)},
        {"SuspendMicrovm", {"POST", vm + "/suspend", ""}},
        {"ResumeMicrovm", {"POST", vm + "/resume", ""}},
        {"TerminateMicrovm", {"DELETE", vm, ""}},
        {"CreateMicrovmAuthToken", {"POST", vm + "/auth-token", ports}},
        {"CreateMicrovmShellAuthToken", {"POST", vm + "/shell-auth-token", R"({"expirationInMinutes":5})"}},
        {"CreateNetworkConnector", connect("net")},
        {"GetNetworkConnector", get(connector)},
        {"UpdateNetworkConnector", {"PUT", connector, "{}"}},
        {"DeleteNetworkConnector", {"DELETE", connector, ""}},
        {"ListNetworkConnectors", get(kConnectors)},
        {"TagResource", {"POST", tags, R"({"Tags":{"team":"a"}})"}},
        {"UntagResource", {"DELETE", tags + "?tagKeys=team", ""}},
        {"ListTags", get(tags)},
        {"GetBuildLog", get(ours + "/images/" + TestWorld::image_arn("absent") + "/versions/1.0/builds/none/log")},
        {"DescribeBuild", get(ours + "/images/" + TestWorld::image_arn("absent") + "/versions/1.0/builds/none")},
        {"DescribeMicrovm", get(ours + "/microvms/microvm-absent")},
        {"CreateAccount", {"POST", ours + "/accounts", R"({"accountId":"111111111111"})"}},
        {"ListAccounts", get(ours + "/accounts")},
        {"DescribeAccount", get(account)},
        {"DeleteAccount", {"DELETE", account, ""}},
        {"SetAccountQuotas", {"PUT", account + "/quotas", "{}"}},
        {"CreateAccountKey", {"POST", account + "/keys", ""}},
        {"ListAccountKeys", get(account + "/keys")},
        {"RevokeAccountKey", {"DELETE", account + "/keys/AKIAABSENT", ""}},
        {"RotateAccountKey", {"POST", account + "/keys/AKIAABSENT/rotation", "{}"}},
        {"ForkMicrovm", {"POST", ours + "/microvms/microvm-absent/fork", "{}"}},
        {"RollbackMicrovm",
         {"POST", ours + "/microvms/microvm-absent/rollback", R"({"checkpointIdentifier":"before"})"}},
        {"CreateCheckpoint", {"POST", ours + "/microvms/microvm-absent/checkpoints", "{}"}},
        {"ListCheckpoints", get(ours + "/checkpoints")},
        {"GetCheckpoint", get(ours + "/checkpoints/checkpoint-absent")},
        {"DeleteCheckpoint", {"DELETE", ours + "/checkpoints/checkpoint-absent", ""}},
        {"ForkCheckpoint", {"POST", ours + "/checkpoints/checkpoint-absent/fork", "{}"}},
        {"ListTraces", get(ours + "/traces")},
        {"DescribeStorage", get(ours + "/storage")},
    };
  }();
  return requests;
}

TEST(GoldenErrorsTest, EveryOperationHasAPlainRequest) {
  std::vector<std::string_view> wanted;
  for (const Operation* operation : all_operations()) {
    wanted.push_back(operation->name);
  }
  std::vector<std::string_view> found;
  for (const auto& [operation, request] : plain_requests()) {
    found.emplace_back(operation);
  }
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, wanted);
}

TEST(GoldenErrorsTest, Throttled) {
  control::Quotas quotas;
  for (const auto& [operation, request] : plain_requests()) {
    quotas.rates[operation] = {0.25, 1};
  }
  TestWorld world(quotas);
  for (const auto& [operation, request] : plain_requests()) {
    world.send(request);
    const net::Response response = check(world, std::string(operation) + "/throttled", request);
    EXPECT_EQ(response.status, 429) << operation;
    EXPECT_EQ(response.headers.find("Retry-After"), "4") << operation;
  }
}

TEST(GoldenErrorsTest, FormsThatComeTooFast) {
  control::Quotas quotas;
  for (const Operation* operation : query_operations()) {
    quotas.rates[std::string(operation->name)] = {0.25, 1};
  }
  TestWorld world(quotas);
  for (const Operation* operation : query_operations()) {
    const TestRequest request{"POST",
                              "/",
                              fmt::format("Action={}&Version={}", operation->name, operation->protocol->version),
                              std::string(operation->protocol->service),
                              {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}};
    world.send(request);
    const net::Response response = check(world, std::string(operation->name) + "/throttled", request);
    EXPECT_EQ(response.status, 400) << operation->name;  // of this protocol
    EXPECT_EQ(response.headers.find("Retry-After"), "4") << operation->name;
  }
}

TEST(GoldenErrorsTest, RecordsThatCannotBeRead) {
  TestWorld world;
  {
    const auto database = store::SqliteConnection::open(world.control.directory.path() / "metadata.sqlite",
                                                        store::SqliteConnection::Mode::kReadWriteCreate);
    ASSERT_TRUE(database);
    ASSERT_TRUE(
        (*database)->execute("DROP TABLE images; DROP TABLE versions; DROP TABLE builds; DROP TABLE microvms; "
                             "DROP TABLE connectors; DROP TABLE tokens; DROP TABLE accounts; DROP TABLE access_keys;"));
  }
  for (const auto& [operation, request] : plain_requests()) {
    const std::string path = request.target;
    if (path.find("managed") != std::string::npos || path.find("2026-11-01/checkpoints") != std::string::npos ||
        path.ends_with("2026-11-01/traces")) {
      continue;  // has no records
    }
    const net::Response response = check(world, std::string(operation) + "/internal", request);
    EXPECT_EQ(response.status, 500) << operation;
    EXPECT_EQ(std::get<std::string>(response.body).find("metadata"), std::string::npos) << operation;
  }
}

TEST(GoldenErrorsTest, ImagesOfAnotherAccount) {
  TestWorld world;
  const std::string image = std::string(kImages) + "/" + kStranger;
  const std::string body = R"({"imageIdentifier":")" + std::string(kStranger) + "\"}";
  const auto denied = [&](const std::string& operation, const TestRequest& request) {
    EXPECT_EQ(check(world, operation + "/other_account", request).status, 403) << operation;
  };
  denied("UpdateMicrovmImage", {"PUT", image, update("demo").body});
  denied("GetMicrovmImage", get(image));
  denied("DeleteMicrovmImage", {"DELETE", image, ""});
  denied("GetMicrovmImageVersion", get(image + "/versions/1.0"));
  denied("ListMicrovmImageVersions", get(image + "/versions"));
  denied("UpdateMicrovmImageVersion", {"PATCH", image + "/versions/1.0", R"({"status":"ACTIVE"})"});
  denied("DeleteMicrovmImageVersion", {"DELETE", image + "/versions/1.0", ""});
  denied("ListMicrovmImageBuilds", get(image + "/versions/1.0/builds"));
  denied("GetMicrovmImageBuild", get(image + "/versions/1.0/builds/none"));
  denied("ListManagedMicrovmImageVersions", get(std::string(kManaged) + "/" + kStranger + "/versions"));
  denied("RunMicrovm", run(body));
  denied("ListMicrovms", get(fmt::format("{}?imageIdentifier={}", kMicrovms, kStranger)));
  const std::string tags = kTagsPath + kStranger;
  denied("TagResource", {"POST", tags, R"({"Tags":{"team":"a"}})"});
  denied("UntagResource", {"DELETE", tags + "?tagKeys=team", ""});
  denied("ListTags", get(tags));
}

// --- what the configuration changes ---

TEST(GoldenErrorsTest, BareNamesWhereTheyAreAccepted) {
  TestWorld world;
  world.control.world->image_names = true;
  world.create_image("demo");
  const auto accepted = [&](const std::string& operation, const TestRequest& request) {
    EXPECT_EQ(check(world, operation + "/bare_name_accepted", request).status, 200) << operation;
  };
  accepted("GetMicrovmImage", get(std::string(kImages) + "/demo"));
  accepted("GetMicrovmImageVersion", get(std::string(kImages) + "/demo/versions/1.0"));
  accepted("ListMicrovms", get(std::string(kMicrovms) + "?imageIdentifier=demo"));
  accepted("RunMicrovm", run(R"({"imageIdentifier":"demo"})"));
  accepted("UpdateMicrovmImage", {"PUT", std::string(kImages) + "/demo", update("demo").body});
}

TEST(GoldenErrorsTest, PayloadsAreAsLongAsTheConfigurationSays) {
  Api::Options options;
  options.run_hook_payload_bytes_max = 5000;
  TestWorld world({}, options);
  world.create_image(
      "demo", R"(,"hooks":{"port":9000,"microvmHooks":{"run":"ENABLED"},"microvmImageHooks":{"ready":"ENABLED"}})");
  const auto with_payload = [&](std::size_t size) {
    return run(run_body("demo", fmt::format(R"(,"runHookPayload":"{}")", std::string(size, 'x'))));
  };
  EXPECT_EQ(world.send(with_payload(5000)).status, 200);
  check(world, "RunMicrovm/payload_over_configured_limit", with_payload(5001));
}

// What stands before every operation answers alike for all; recorded with this one.
TEST(GoldenErrorsTest, SignaturesThatAreMissingWrongOldOrForElsewhere) {
  TestWorld world;
  const TestRequest request = get(kMicrovms);
  const auto record = [&](const char* name, const TestRequest& sent, const net::Response& response) {
    compare(fmt::format("ListMicrovms/{}.request", name), written(sent));
    compare(fmt::format("ListMicrovms/{}.response", name), written(response));
  };
  const auto signed_by = [&](const aws::Credential& credential, const Clock& clock) {
    return TestClient(world.api, credential, clock).send(request);
  };
  const Clock& clock = world.control.clock;
  record("unsigned", request, world.client.send_as_is(TestClient::head_of(request), ""));
  record("unknown_key", request, signed_by({"AKIDUNKNOWN", "secret", ""}, clock));
  record("wrong_secret", request, signed_by({"AKIDEXAMPLE", "guess", ""}, clock));
  record("unknown_session", request, signed_by({"AKIDEXAMPLE", "secret", "", "session"}, clock));
  test::FakeClock late;
  late.advance(std::chrono::minutes(16));
  record("old_signature", request, signed_by(OneCredential().credential, late));
  TestRequest half = request;
  half.headers.add("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260901/us-east-1/lambda/aws4_request");
  record("incomplete_signature", half, world.client.send_as_is(TestClient::head_of(half), ""));
  TestRequest elsewhere = request;
  elsewhere.service = "dynamodb";
  record("service_not_served", elsewhere, world.send(elsewhere));
}

TEST(GoldenErrorsTest, BodiesThatAreTooLarge) {
  TestWorld world;
  check(world, "RunMicrovm/body_over_limit", run(std::string(Api::kBodyBytesMax + 1, ' ')));
}

// A repeated request answers as the first time, whatever has become of what it named.
TEST(GoldenErrorsTest, AReplayDoesNotAskForTheConnectorAgain) {
  TestWorld world;
  const std::string id = connector_id(world.send(connect("net")));
  EXPECT_TRUE(world.control.wait_for_connectors(1));
  const std::string members = R"(,"clientToken":"token-1","egressNetworkConnectors":[)"
                              R"("arn:aws:lambda:us-east-1:000000000000:network-connector:)" +
                              id + "\"]";
  const TestRequest creation = create(TestWorld::image_body("demo", members));
  const net::Response first = world.send(creation);
  EXPECT_EQ(first.status, 201);
  EXPECT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful));
  const net::Response updated = world.send(update("demo", members));
  EXPECT_EQ(updated.status, 200);
  EXPECT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 2));
  world.send({"DELETE", std::string(kConnectors) + "/net", ""});
  EXPECT_TRUE(world.control.wait_for_connectors(2));
  EXPECT_EQ(std::get<std::string>(world.send(creation).body), std::get<std::string>(first.body));
  EXPECT_EQ(std::get<std::string>(world.send(update("demo", members)).body), std::get<std::string>(updated.body));
}

}  // namespace
}  // namespace dormouse::api
