// SPDX-License-Identifier: Apache-2.0
//
// Recorded exchanges of the operations on images and MicroVMs (api/golden.h).

#include "api/golden.h"

namespace dormouse::api {
namespace {

// --- CreateMicrovmImage ---

TEST_F(GoldenTest, CreateMicrovmImageAnswersWithTheDefaults) {
  world.host().hold(test::FakeHost::Call::kBuild);
  check("CreateMicrovmImage/minimal", create(TestWorld::image_body("demo")));
}

TEST_F(GoldenTest, CreateMicrovmImageEchoesWhatWasGiven) {
  world.host().hold(test::FakeHost::Call::kBuild);
  check(
      "CreateMicrovmImage/full",
      create(TestWorld::image_body(
          "demo",
          R"(,"baseImageVersion":"1","description":"A demo","logging":{"cloudWatch":{"logGroup":"/demo"}},)"
          R"("egressNetworkConnectors":["arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:)"
          R"(INTERNET_EGRESS"],"cpuConfigurations":[{"architecture":"X86_64"}],"resources":[{"minimumMemoryInMiB":512}],)"
          R"("additionalOsCapabilities":["ALL"],"hooks":{"port":9000,"microvmHooks":{"run":"ENABLED",)"
          R"("runTimeoutInSeconds":5},"microvmImageHooks":{"ready":"ENABLED","readyTimeoutInSeconds":300}},)"
          R"("environmentVariables":{"MODE":"demo"},"tags":{"team":"a b"},"clientToken":"token-1","unheardOf":1)")));
}

TEST_F(GoldenTest, CreateMicrovmImageKeepsTextsAsTheyCame) {
  world.host().hold(test::FakeHost::Call::kBuild);
  check("CreateMicrovmImage/texts_in_utf8",
        create(TestWorld::image_body("demo",
                                     ",\"description\":\"\u00E9 \u20AC \U0001F42D\",\"environmentVariables\":"
                                     "{\"\u00E9\":\"\u20AC\",\"MOUSE\":\"\U0001F42D\"}")));
  check("CreateMicrovmImage/empty_texts",
        create(
            TestWorld::image_body("other", R"(,"description":"","environmentVariables":{"MODE":""},"tags":{"a":""})")));
}

TEST_F(GoldenTest, CreateMicrovmImageRefusesWhatTheModelForbids) {
  check("CreateMicrovmImage/missing_members", create(R"({"name":"demo"})"));
  check("CreateMicrovmImage/bad_name", create(TestWorld::image_body("bad name!")));
  check("CreateMicrovmImage/wrong_type", create(R"({"name":7})"));
  check("CreateMicrovmImage/malformed_json", create(R"({"name":)"));
  check("CreateMicrovmImage/no_object", create("[]"));
  check("CreateMicrovmImage/empty_union", create(TestWorld::image_body("demo", R"(,"logging":{})")));
  check("CreateMicrovmImage/bad_role",
        create(TestWorld::image_body("demo", R"(,"buildRoleArn":"arn:aws:iam::1:role/build")")));
  check("CreateMicrovmImage/bad_hook_timeout",
        create(TestWorld::image_body("demo",
                                     R"(,"hooks":{"port":0,"microvmImageHooks":{"readyTimeoutInSeconds":3601}})")));
  check("CreateMicrovmImage/two_resources",
        create(TestWorld::image_body("demo", R"(,"resources":[{"minimumMemoryInMiB":512},{}])")));
}

TEST_F(GoldenTest, CreateMicrovmImageRefusesWhatTheServiceForbids) {
  check("CreateMicrovmImage/unsupported_memory",
        create(TestWorld::image_body("demo", R"(,"resources":[{"minimumMemoryInMiB":513}])")));
  check("CreateMicrovmImage/unknown_base_version",
        create(TestWorld::image_body("demo", R"(,"baseImageVersion":"999")")));
  check(
      "CreateMicrovmImage/unknown_base",
      create(TestWorld::image_body("demo", R"(,"baseImageArn":"arn:aws:lambda:us-east-1:aws:microvm-image:none-1")")));
  check("CreateMicrovmImage/artifact_not_s3",
        create(TestWorld::image_body("demo", R"(,"codeArtifact":{"uri":"https://host/key.zip"})")));
  check("CreateMicrovmImage/lifecycle_hook_without_ready",
        create(TestWorld::image_body("demo", R"(,"hooks":{"port":9000,"microvmHooks":{"run":"ENABLED"}})")));
  check("CreateMicrovmImage/hook_without_port",
        create(TestWorld::image_body("demo", R"(,"hooks":{"microvmImageHooks":{"ready":"ENABLED"}})")));
  check("CreateMicrovmImage/malformed_connector",
        create(TestWorld::image_body("demo", R"(,"egressNetworkConnectors":["internet"])")));
  check("CreateMicrovmImage/reserved_variable",
        create(TestWorld::image_body("demo", R"(,"environmentVariables":{"AWS_REGION":"x"})")));
}

TEST_F(GoldenTest, ForeignArchitecturesAreRefusedWhereThatIsAsked) {
  world.control.world->foreign_architecture = control::ForeignArchitecture::kRefuse;
  const std::string foreign = R"(,"cpuConfigurations":[{"architecture":"ARM_64"}])";
  check("CreateMicrovmImage/foreign_architecture", create(TestWorld::image_body("demo", foreign)));
  world.create_image("demo", R"(,"cpuConfigurations":[{"architecture":"X86_64"}])");
  check("UpdateMicrovmImage/foreign_architecture", update("demo", foreign));
  check("ListManagedMicrovmImages/foreign_architecture_refused", get(std::string(kManaged) + "?maxResults=1"));
}

TEST_F(GoldenTest, CreateMicrovmImageKeepsNamesUnique) {
  world.create_image("demo");
  check("CreateMicrovmImage/duplicate_name", create(TestWorld::image_body("demo")));
}

TEST_F(GoldenTest, CreateMicrovmImageReplaysAClientToken) {
  world.host().hold(test::FakeHost::Call::kBuild);
  const std::string body = TestWorld::image_body("demo", R"(,"clientToken":"token-1")");
  const net::Response first = check("CreateMicrovmImage/token", create(body));
  const net::Response again = world.send(create(body));
  EXPECT_EQ(std::get<std::string>(again.body), std::get<std::string>(first.body));
  check("CreateMicrovmImage/token_conflict", create(TestWorld::image_body("other", R"(,"clientToken":"token-1")")));
}

// --- images ---

TEST_F(GoldenTest, GetMicrovmImageShowsItsStates) {
  world.host().hold(test::FakeHost::Call::kBuild);
  world.send(create(TestWorld::image_body("demo")));
  check("GetMicrovmImage/creating", get(image_path("demo")));
  world.host().release(test::FakeHost::Call::kBuild);
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful));
  check("GetMicrovmImage/created", get(image_path("demo")));
  check("GetMicrovmImage/encoded_arn",
        get(std::string(kImages) + "/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Amicrovm-image%3Ademo"));
}

TEST_F(GoldenTest, GetMicrovmImageRefusals) {
  check("GetMicrovmImage/missing", get(image_path("absent")));
  check("GetMicrovmImage/bare_name", get(std::string(kImages) + "/demo"));
  check("GetMicrovmImage/slash_in_arn",
        get(std::string(kImages) + "/arn:aws:lambda:us-east-1:000000000000:microvm-image%2Fdemo"));
  check("GetMicrovmImage/raw_slash",
        get(std::string(kImages) + "/arn:aws:lambda:us-east-1:000000000000:microvm-image/demo"));
  check("GetMicrovmImage/too_long", get(std::string(kImages) + "/" + std::string(257, 'a')));
}

TEST_F(GoldenTest, ListMicrovmImagesPages) {
  check("ListMicrovmImages/empty", get(kImages));
  for (const char* name : {"alpha", "beta", "gamma"}) {
    world.create_image(name);
    world.control.clock.advance(std::chrono::seconds(1));  // listings are newest first
  }
  check("ListMicrovmImages/all", get(kImages));
  const net::Response first = check("ListMicrovmImages/first_page", get(std::string(kImages) + "?maxResults=2"));
  const std::string& body = std::get<std::string>(first.body);
  std::smatch token;
  ASSERT_TRUE(std::regex_search(body, token, std::regex("\"nextToken\":\"([^\"]+)\"")));
  check("ListMicrovmImages/last_page", get(fmt::format("{}?maxResults=2&nextToken={}", kImages, token[1].str())));
  check("ListMicrovmImages/token_of_another_operation", get(fmt::format("{}?nextToken={}", kMicrovms, token[1].str())));
  check("ListMicrovmImages/token_of_other_filters",
        get(fmt::format("{}?nameFilter=a&nextToken={}", kImages, token[1].str())));
  check("ListMicrovmImages/filter_after_paging", get(std::string(kImages) + "?maxResults=1&nameFilter=alpha"));
}

TEST_F(GoldenTest, ListMicrovmImagesRefusals) {
  check("ListMicrovmImages/max_results_too_small", get(std::string(kImages) + "?maxResults=0"));
  check("ListMicrovmImages/max_results_too_large", get(std::string(kImages) + "?maxResults=51"));
  check("ListMicrovmImages/max_results_no_number", get(std::string(kImages) + "?maxResults=many"));
  check("ListMicrovmImages/bad_token", get(std::string(kImages) + "?nextToken=forged"));
  check("ListMicrovmImages/raw_equals_in_token", get(std::string(kImages) + "?nextToken=abc="));
}

TEST_F(GoldenTest, DeleteMicrovmImage) {
  world.create_image("demo");
  const std::string vm = world.run_microvm(TestWorld::image_arn("demo"));
  check("DeleteMicrovmImage/running_microvms", {"DELETE", image_path("demo"), ""});
  world.terminate(vm);
  check("DeleteMicrovmImage/success", {"DELETE", image_path("demo"), ""});
  check("DeleteMicrovmImage/missing", {"DELETE", image_path("absent"), ""});
  world.host().hold(test::FakeHost::Call::kBuild);
  world.send(create(TestWorld::image_body("building")));
  check("DeleteMicrovmImage/mid_build", {"DELETE", image_path("building"), ""});
}

// --- versions and builds ---

TEST_F(GoldenTest, VersionsAndBuildsOfABuiltImage) {
  world.create_image("demo", R"(,"environmentVariables":{"MODE":"demo"})");
  check("GetMicrovmImageVersion/successful", get(image_path("demo", "/versions/1.0")));
  check("GetMicrovmImageVersion/short_version", get(image_path("demo", "/versions/1")));
  check("GetMicrovmImageVersion/missing", get(image_path("demo", "/versions/2.0")));
  check("GetMicrovmImageVersion/blank", get(image_path("demo", "/versions/%20")));
  check("ListMicrovmImageVersions/success", get(image_path("demo", "/versions")));
  check("ListMicrovmImageVersions/missing_image", get(image_path("absent", "/versions")));
  check("ListMicrovmImageBuilds/success", get(image_path("demo", "/versions/1.0/builds")));
  check("ListMicrovmImageBuilds/other_architecture",
        get(image_path("demo", "/versions/1.0/builds?architecture=ARM_64")));
  check("ListMicrovmImageBuilds/bad_architecture", get(image_path("demo", "/versions/1.0/builds?architecture=VAX")));
  check("ListMicrovmImageBuilds/missing_version", get(image_path("demo", "/versions/2.0/builds")));
  const std::string build = world.build_id(TestWorld::image_arn("demo"));
  check("GetMicrovmImageBuild/successful", get(image_path("demo", "/versions/1.0/builds/" + build)));
  check("GetMicrovmImageBuild/missing", get(image_path("demo", "/versions/1.0/builds/none")));
  check("DescribeBuild/successful",
        get("/dormouse/2026-11-01/images/" + TestWorld::image_arn("demo") + "/versions/1.0/builds/" + build));
  check("GetBuildLog/whole",
        get("/dormouse/2026-11-01/images/" + TestWorld::image_arn("demo") + "/versions/1.0/builds/" + build + "/log"));
  check("GetBuildLog/rest",
        get("/dormouse/2026-11-01/images/" + TestWorld::image_arn("demo") + "/versions/1.0/builds/" + build +
            "/log?offset=12"));
}

TEST_F(GoldenTest, VersionsAndBuildsOfAFailedImage) {
  world.create_failed_image("demo", {"CONTAINER_BUILD_FAILED", "The container image build failed.", 4096});
  check("GetMicrovmImage/create_failed", get(image_path("demo")));
  check("GetMicrovmImageVersion/failed", get(image_path("demo", "/versions/1.0")));
  check("GetMicrovmImageBuild/failed",
        get(image_path("demo", "/versions/1.0/builds/" + world.build_id(TestWorld::image_arn("demo")))));
  check("RunMicrovm/nothing_active", run(run_body("demo")));
}

// --- UpdateMicrovmImage, UpdateMicrovmImageVersion, DeleteMicrovmImageVersion ---

TEST_F(GoldenTest, UpdateMicrovmImage) {
  world.create_image("demo", R"(,"description":"first","tags":{"team":"a"})");
  world.host().hold(test::FakeHost::Call::kBuild);
  check("UpdateMicrovmImage/success", update("demo", R"(,"clientToken":"token-1")"));
  check("UpdateMicrovmImage/token", update("demo", R"(,"clientToken":"token-1")"));
  check("UpdateMicrovmImage/token_conflict", update("demo", R"(,"description":"x","clientToken":"token-1")"));
  check("UpdateMicrovmImage/updating", update("demo"));
  check("UpdateMicrovmImageVersion/updating", patch("demo", "1.0", R"({"status":"INACTIVE"})"));
  check("DeleteMicrovmImageVersion/updating", {"DELETE", image_path("demo", "/versions/1.0"), ""});
  check("DeleteMicrovmImage/updating", {"DELETE", image_path("demo"), ""});
  check("GetMicrovmImage/updating", get(image_path("demo")));
  check("RunMicrovm/updating", run(run_body("demo")));
  world.host().release(test::FakeHost::Call::kBuild);
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 2));
  check("GetMicrovmImage/updated", get(image_path("demo")));
}

TEST_F(GoldenTest, UpdateMicrovmImageRefusals) {
  check("UpdateMicrovmImage/missing", update("absent"));
  check("UpdateMicrovmImage/missing_members", {"PUT", image_path("demo"), "{}"});
  check("UpdateMicrovmImage/bare_name", {"PUT", std::string(kImages) + "/demo", update("demo").body});
  check("UpdateMicrovmImage/artifact_not_s3", update("demo", R"(,"codeArtifact":{"uri":"https://host/key.zip"})"));
  check("UpdateMicrovmImage/bad_role", update("demo", R"(,"buildRoleArn":"arn:aws:iam::1:role/build")"));
  world.host().hold(test::FakeHost::Call::kBuild);
  world.send(create(TestWorld::image_body("building")));
  check("UpdateMicrovmImage/creating", update("building"));
}

TEST_F(GoldenTest, UpdateMicrovmImageThatFails) {
  world.create_image("demo");
  world.host().fail_next_build({"CONTAINER_BUILD_FAILED", "The container image build failed.", 4096});
  world.send(update("demo"));
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kFailed));
  check("GetMicrovmImage/update_failed", get(image_path("demo")));
  check("UpdateMicrovmImageVersion/failed_version", patch("demo", "2.0", R"({"status":"ACTIVE"})"));
}

TEST_F(GoldenTest, UpdateMicrovmImageVersion) {
  world.create_image("demo");
  check("UpdateMicrovmImageVersion/inactive", patch("demo", "1.0", R"({"status":"INACTIVE"})"));
  check("GetMicrovmImage/nothing_active", get(image_path("demo")));
  check("RunMicrovm/inactive", run(run_body("demo")));
  check("RunMicrovm/inactive_pinned", run(run_body("demo", R"(,"imageVersion":"1.0")")));
  check("UpdateMicrovmImageVersion/active", patch("demo", "1", R"({"status":"ACTIVE"})"));
  check("UpdateMicrovmImageVersion/missing_status", patch("demo", "1.0", "{}"));
  check("UpdateMicrovmImageVersion/bad_status", patch("demo", "1.0", R"({"status":"PAUSED"})"));
  check("UpdateMicrovmImageVersion/missing_version", patch("demo", "7.0", R"({"status":"ACTIVE"})"));
  check("UpdateMicrovmImageVersion/missing_image", patch("absent", "1.0", R"({"status":"ACTIVE"})"));
}

TEST_F(GoldenTest, StatusOfAVersionDoesNotMoveTheHourOfItsState) {
  const auto bucket = [&] {
    const std::string body = std::get<std::string>(world.send(get(image_path("demo", "/versions/1.0"))).body);
    std::smatch found;
    return std::regex_search(body, found, std::regex("SUCCESSFUL#[0-9]{8}")) ? found[0].str() : body;
  };
  world.create_image("demo");
  const std::string before = bucket();
  world.control.clock.advance(std::chrono::hours(2));
  world.send(patch("demo", "1.0", R"({"status":"INACTIVE"})"));
  EXPECT_EQ(bucket(), before);
}

TEST_F(GoldenTest, DeleteMicrovmImageVersion) {
  world.create_image("demo");
  const std::string vm = world.run_microvm(TestWorld::image_arn("demo"));
  check("DeleteMicrovmImageVersion/last_version", {"DELETE", image_path("demo", "/versions/1.0"), ""});
  world.send(update("demo"));
  ASSERT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 2));
  check("DeleteMicrovmImageVersion/running_microvms", {"DELETE", image_path("demo", "/versions/1.0"), ""});
  check("DeleteMicrovmImageVersion/missing_version", {"DELETE", image_path("demo", "/versions/7.0"), ""});
  check("DeleteMicrovmImageVersion/missing_image", {"DELETE", image_path("absent", "/versions/1.0"), ""});
  world.host().hold(test::FakeHost::Call::kRemoveSnapshot);
  check("DeleteMicrovmImageVersion/success", {"DELETE", image_path("demo", "/versions/2.0"), ""});
  check("DeleteMicrovmImageVersion/again", {"DELETE", image_path("demo", "/versions/2.0"), ""});
  check("GetMicrovmImage/version_deleting", get(image_path("demo")));
  check("GetMicrovmImageVersion/deleting", get(image_path("demo", "/versions/2.0")));
  world.host().release(test::FakeHost::Call::kRemoveSnapshot);
}

TEST_F(GoldenTest, ManagedImages) {
  check("ListManagedMicrovmImages/success", get(kManaged));
  check("ListManagedMicrovmImages/first_page", get(std::string(kManaged) + "?maxResults=1"));
  const std::string arn = "/arn:aws:lambda:us-east-1:aws:microvm-image:";
  check("ListManagedMicrovmImageVersions/success", get(kManaged + arn + "al2023-1/versions"));
  check("ListManagedMicrovmImageVersions/missing", get(kManaged + arn + "none-1/versions"));
  check("ListManagedMicrovmImageVersions/bare_name", get(std::string(kManaged) + "/al2023-1/versions"));
}

// --- MicroVMs ---

TEST_F(GoldenTest, RunMicrovm) {
  world.create_image("demo");
  check("RunMicrovm/minimal", run(run_body("demo")));
  check("RunMicrovm/full",
        run(run_body("demo",
                     R"(,"imageVersion":"1","executionRoleArn":"arn:aws:iam::000000000000:role/run",)"
                     R"("idlePolicy":{"maxIdleDurationSeconds":60,"suspendedDurationSeconds":0,)"
                     R"("autoResumeEnabled":true},"logging":{"disabled":{}},"maximumDurationInSeconds":60,)"
                     R"("ingressNetworkConnectors":["arn:aws:lambda:us-east-1:aws:network-connector:)"
                     R"(aws-network-connector:NO_INGRESS"],"clientToken":"token-1")")));
}

TEST_F(GoldenTest, RunMicrovmRefusesWhatTheModelForbids) {
  check("RunMicrovm/missing_image_identifier", run("{}"));
  check("RunMicrovm/payload_too_long",
        run(run_body("demo", fmt::format(R"(,"runHookPayload":"{}")", std::string(4097, 'x')))));
  check("RunMicrovm/partial_idle_policy", run(run_body("demo", R"(,"idlePolicy":{"maxIdleDurationSeconds":59})")));
  check("RunMicrovm/too_long_life", run(run_body("demo", R"(,"maximumDurationInSeconds":28801)")));
  check("RunMicrovm/idle_policy_no_object", run(run_body("demo", R"(,"idlePolicy":true)")));
}

TEST_F(GoldenTest, RunMicrovmRefusesWhatTheServiceForbids) {
  world.create_image("demo");
  check("RunMicrovm/missing_image", run(run_body("absent")));
  check("RunMicrovm/missing_version", run(run_body("demo", R"(,"imageVersion":"2.0")")));
  for (const auto& [name, account] :
       {std::pair("missing_connector", "000000000000"), {"foreign_connector", "111111111111"}}) {
    const std::string arn = fmt::format("arn:aws:lambda:us-east-1:{}:network-connector:nc-absent", account);
    check(std::string("RunMicrovm/") + name, run(run_body("demo", ",\"egressNetworkConnectors\":[\"" + arn + "\"]")));
  }
  world.run_microvm(TestWorld::image_arn("demo"), R"(,"clientToken":"token-1")");
  check("RunMicrovm/token_conflict",
        run(run_body("demo", R"(,"maximumDurationInSeconds":60,"clientToken":"token-1")")));
  world.host().set_cannot_hold("The host has 2 GiB of memory; a MicroVM of this size needs 8 GiB.");
  check("RunMicrovm/insufficient_capacity", run(run_body("demo")));
  check("CreateMicrovmImage/host_too_small", create(TestWorld::image_body("other")));
  check("UpdateMicrovmImage/host_too_small", update("demo"));
  world.host().set_cannot_hold(std::nullopt);
  check("RunMicrovm/bare_name", run(R"({"imageIdentifier":"demo"})"));
  check("RunMicrovm/payload_without_hook", run(run_body("demo", R"(,"runHookPayload":"x")")));
  check("RunMicrovm/malformed_connector", run(run_body("demo", R"(,"ingressNetworkConnectors":["http"])")));
  check("RunMicrovm/unknown_connector",
        run(run_body("demo",
                     R"(,"egressNetworkConnectors":["arn:aws:lambda:us-east-1:aws:network-connector:)"
                     R"(aws-network-connector:NO_EGRESS"])")));
}

TEST_F(GoldenTest, MicrovmsThroughTheirLife) {
  world.create_image("demo");
  const std::string vm = world.run_microvm(TestWorld::image_arn("demo"));
  check("GetMicrovm/running", get(vm_path(vm)));
  check("ResumeMicrovm/running", {"POST", vm_path(vm, "/resume"), ""});
  check("SuspendMicrovm/running", {"POST", vm_path(vm, "/suspend"), ""});
  world.await_state(vm, control::MicrovmState::kSuspended);
  check("GetMicrovm/suspended", get(vm_path(vm)));
  check("SuspendMicrovm/suspended", {"POST", vm_path(vm, "/suspend"), ""});
  check("CreateMicrovmAuthToken/suspended",
        {"POST", vm_path(vm, "/auth-token"), R"({"expirationInMinutes":5,"allowedPorts":[{"port":8080}]})"});
  check("ResumeMicrovm/suspended", {"POST", vm_path(vm, "/resume"), ""});
  world.await_state(vm, control::MicrovmState::kRunning, 2);
  check("ListMicrovms/success", get(kMicrovms));
  check("ListMicrovms/by_image", get(fmt::format("{}?imageIdentifier={}", kMicrovms, TestWorld::image_arn("demo"))));
  check("ListMicrovms/other_version",
        get(fmt::format("{}?imageIdentifier={}&imageVersion=2.0", kMicrovms, TestWorld::image_arn("demo"))));
  check("TerminateMicrovm/running", {"DELETE", vm_path(vm), ""});
  world.await_state(vm, control::MicrovmState::kTerminated);
  check("GetMicrovm/terminated", get(vm_path(vm)));
  check("SuspendMicrovm/terminated", {"POST", vm_path(vm, "/suspend"), ""});
  check("ResumeMicrovm/terminated", {"POST", vm_path(vm, "/resume"), ""});
  check("TerminateMicrovm/terminated", {"DELETE", vm_path(vm), ""});
  check("CreateMicrovmAuthToken/terminated",
        {"POST", vm_path(vm, "/auth-token"), R"({"expirationInMinutes":5,"allowedPorts":[{"port":8080}]})"});
}

TEST_F(GoldenTest, MissingMicrovms) {
  check("GetMicrovm/missing", get(kAbsentVm));
  check("DescribeMicrovm/missing", get("/dormouse/2026-11-01/microvms/microvm-absent"));
  const std::string build =
      "/dormouse/2026-11-01/images/" + TestWorld::image_arn("absent") + "/versions/1.0/builds/none";
  check("DescribeBuild/missing", get(build));
  check("GetBuildLog/missing", get(build + "/log"));
  check("GetMicrovm/malformed_id", get(vm_path("vm-1")));
  check("SuspendMicrovm/missing", {"POST", std::string(kAbsentVm) + "/suspend", ""});
  check("ResumeMicrovm/missing", {"POST", std::string(kAbsentVm) + "/resume", ""});
  check("TerminateMicrovm/missing", {"DELETE", kAbsentVm, ""});
  check(
      "CreateMicrovmAuthToken/missing",
      {"POST", std::string(kAbsentVm) + "/auth-token", R"({"expirationInMinutes":5,"allowedPorts":[{"port":8080}]})"});
  check("ListMicrovms/empty", get(kMicrovms));
}

TEST_F(GoldenTest, StorageIsDescribedByKindAndByThing) {
  control::StorageReport& report = world.storage;
  report.kinds["image"] = {5'000, 1};
  report.kinds["microvm"] = {2'000, 2};
  control::StorageItem image;
  image.kind = "image";
  image.id = "demo:1.0";
  image.account = TestWorld::kAccount;
  image.bytes = 5'000;
  image.parts = {{"disk", 1'000}, {"memory", 4'000}};
  image.held_by = {"microvm-1", "checkpoint-2"};
  control::StorageItem left;
  left.kind = "microvm";
  left.id = "microvm-1";
  left.bytes = 2'000;
  left.named = false;
  report.items = {image, left};
  report.items_left_out = 1;
  report.data_bytes = 7'000;
  report.room = {10'000'000'000, 7'000, 200'000'000'000, 100'000'000'000};
  check("DescribeStorage/success", get("/dormouse/2026-11-01/storage"));
}

TEST_F(GoldenTest, ListTracesBoundsWhatIsAskedFor) {
  check("ListTraces/none", get("/dormouse/2026-11-01/traces"));
  check("ListTraces/limit-too-low", get("/dormouse/2026-11-01/traces?limit=0"));
  check("ListTraces/limit-too-high", get("/dormouse/2026-11-01/traces?limit=201"));
  check("ListTraces/unknown-operation", get("/dormouse/2026-11-01/traces?operation=nap"));
}

TEST_F(GoldenTest, DescribeMicrovmTellsWhatEndedIt) {
  world.create_image("demo");
  const std::string vm = world.run_microvm(TestWorld::image_arn("demo"));
  check("DescribeMicrovm/running", get("/dormouse/2026-11-01/microvms/" + vm));
  world.host().print(vm, "out of luck\n");
  world.host().end(vm,
                   {host::VmExit::Cause::kApplicationExited,
                    3,
                    std::nullopt,
                    false,
                    "out of luck\n",
                    "Container Stopped with Exit Code: 3"});
  world.await_state(vm, control::MicrovmState::kTerminated);
  check("DescribeMicrovm/exited", get("/dormouse/2026-11-01/microvms/" + vm));
  check("GetMicrovm/exited", get(vm_path(vm)));
}

TEST_F(GoldenTest, CreateMicrovmAuthToken) {
  world.create_image("demo");
  const std::string path = vm_path(world.run_microvm(TestWorld::image_arn("demo")), "/auth-token");
  const auto ask = [&](const char* name, const char* body) {
    check(std::string("CreateMicrovmAuthToken/") + name, {"POST", path, body});
  };
  ask("success", R"({"expirationInMinutes":60,"allowedPorts":[{"port":80},{"range":{"startPort":90,"endPort":99}}]})");
  ask("all_ports", R"({"expirationInMinutes":1,"allowedPorts":[{"allPorts":{}}]})");
  ask("all_ports_true", R"({"expirationInMinutes":1,"allowedPorts":[{"allPorts":true}]})");
  ask("too_long", R"({"expirationInMinutes":61,"allowedPorts":[{"port":80}]})");
  ask("zero_minutes", R"({"expirationInMinutes":0,"allowedPorts":[{"port":80}]})");
  ask("no_ports", R"({"expirationInMinutes":5,"allowedPorts":[]})");
  ask("missing_members", "");
  ask("bad_port", R"({"expirationInMinutes":5,"allowedPorts":[{"port":65536}]})");
  ask("two_in_union", R"({"expirationInMinutes":5,"allowedPorts":[{"port":80,"allPorts":{}}]})");
  ask("none_in_union", R"({"expirationInMinutes":5,"allowedPorts":[{}]})");
  ask("empty_range", R"({"expirationInMinutes":5,"allowedPorts":[{"range":{"startPort":9,"endPort":8}}]})");
}

TEST_F(GoldenTest, CreateMicrovmShellAuthToken) {
  world.create_image("demo");
  const auto vm_with = [&](const std::string& connectors) {
    return world.run_microvm(TestWorld::image_arn("demo"),
                             connectors.empty() ? "" : ",\"ingressNetworkConnectors\":[" + connectors + "]");
  };
  const auto connector = [](const std::string& name) {
    return "\"arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:" + name + "\"";
  };
  const auto ask = [&](const char* name, const std::string& vm, const char* body = R"({"expirationInMinutes":5})") {
    check(std::string("CreateMicrovmShellAuthToken/") + name, {"POST", vm_path(vm, "/shell-auth-token"), body});
  };
  const std::string shell = vm_with(connector("SHELL_INGRESS") + "," + connector("HTTP_INGRESS"));
  ask("success", shell);
  ask("too_long", shell, R"({"expirationInMinutes":61})");
  ask("missing_members", shell, "{}");
  ask("zero_minutes", shell, R"({"expirationInMinutes":0})");
  ask("no_shell_ingress", vm_with(""));
  ask("all_ingress_alone", vm_with(connector("ALL_INGRESS")));
  ask("all_and_shell_ingress", vm_with(connector("ALL_INGRESS") + "," + connector("SHELL_INGRESS")));
  world.terminate(shell);
  ask("terminated", shell);
  check("CreateMicrovmShellAuthToken/missing",
        {"POST", std::string(kAbsentVm) + "/shell-auth-token", R"({"expirationInMinutes":5})"});
}

// --- what is not there ---

TEST_F(GoldenTest, PathsThatAreNone) {
  check("UnknownOperation/path", get("/2015-03-31/functions"));
  check("UnknownOperation/method", {"PATCH", kMicrovms, ""});
}

TEST_F(GoldenTest, OtherServices) {
  TestRequest sts{"POST",
                  "/",
                  "Action=GetCallerIdentity&Version=2011-06-15",
                  "sts",
                  {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}};
  check("GetCallerIdentity/success", sts);
  sts.body = "Action=NoSuchAction&Version=2011-06-15";
  check("GetCallerIdentity/invalid_action", sts);
  check("Unserved/json", {"POST", "/", "{}", "dynamodb", {{"Content-Type", "application/x-amz-json-1.0"}}});
  check("Unserved/query",
        {"POST",
         "/",
         "Action=ListQueues",
         "sqs",
         {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}});
}

}  // namespace
}  // namespace dormouse::api
