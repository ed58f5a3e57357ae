// SPDX-License-Identifier: Apache-2.0
//
// Recorded exchanges of every operation on an image, a version, a MicroVM or a connector in every state that it can be in
// (specification sections 4.1 to 4.3), as <Operation>/in_<state>.

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "api/golden.h"

namespace dormouse::api {
namespace {

using test::FakeHost;

void check(TestWorld& world, const std::string& operation, const std::string& state, const TestRequest& request) {
  const std::size_t mark = operation.find('_');  // "TagResource_connector": TagResource/connector_in_<state>
  const std::string rest = mark == std::string::npos ? "in_" : operation.substr(mark + 1) + "_in_";
  const std::string name = operation.substr(0, mark) + "/" + rest + state;
  check(world, name, request);
}

struct Case {
  const char* operation;
  std::function<TestRequest(const std::string& id)> request;
};

struct State {
  const char* name;
  std::function<std::string(TestWorld&)> bring_about;  // answers the resource's identifier
};

void release_all(FakeHost& host) {
  for (const FakeHost::Call call : {FakeHost::Call::kBuild,
                                    FakeHost::Call::kLaunch,
                                    FakeHost::Call::kSuspend,
                                    FakeHost::Call::kTerminate,
                                    FakeHost::Call::kRemoveSnapshot}) {
    host.release(call);
  }
}

bool changes_something(const TestRequest& request) { return request.method != "GET"; }

// What changes something is sent in a world of its own.
void check_all(const std::vector<Case>& cases, const std::vector<State>& states) {
  for (const State& state : states) {
    TestWorld reading;
    const std::string read = state.bring_about(reading);
    for (const Case& one : cases) {
      const TestRequest request = one.request(read);
      if (!changes_something(request)) {
        check(reading, one.operation, state.name, request);
        continue;
      }
      TestWorld world;
      const std::string id = state.bring_about(world);
      check(world, one.operation, state.name, one.request(id));
      release_all(world.host());
    }
    release_all(reading.host());
  }
}

// --- images ---

const host::BuildFailure kFailure{"CONTAINER_BUILD_FAILED", "The container image build failed.", 4096};

std::string built_image(TestWorld& world) {
  world.create_image("demo");
  return "demo";
}

std::string updated_image(TestWorld& world) {
  world.create_image("demo");
  world.send(update("demo"));
  EXPECT_TRUE(world.control.wait_for_build(control::BuildState::kSuccessful, 2));
  return "demo";
}

void await_image_state(TestWorld& world, const std::string& state) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const std::string wanted = "\"state\":\"" + state + "\"";
  while (std::get<std::string>(world.send(get(image_path("demo"))).body).find(wanted) == std::string::npos) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << state;
    std::this_thread::yield();
  }
}

const std::vector<State> kImageStates = {
    {"CREATING",
     [](TestWorld& world) {
       world.host().hold(FakeHost::Call::kBuild);
       world.send(create(TestWorld::image_body("demo")));
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kBuild));
       return "demo";
     }},
    {"CREATED", built_image},
    {"CREATE_FAILED",
     [](TestWorld& world) {
       world.create_failed_image("demo", kFailure);
       return "demo";
     }},
    {"UPDATING",
     [](TestWorld& world) {
       world.create_image("demo");
       world.host().hold(FakeHost::Call::kBuild);
       world.send(update("demo"));
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kBuild, 2));
       return "demo";
     }},
    {"UPDATED", updated_image},
    {"UPDATE_FAILED",
     [](TestWorld& world) {
       world.create_image("demo");
       world.host().fail_next_build(kFailure);
       world.send(update("demo"));
       EXPECT_TRUE(world.control.wait_for_build(control::BuildState::kFailed));
       return "demo";
     }},
    {"DELETING",
     [](TestWorld& world) {
       world.create_image("demo");
       world.host().hold(FakeHost::Call::kRemoveSnapshot);
       world.send({"DELETE", image_path("demo"), ""});
       return "demo";
     }},
    {"DELETE_FAILED",
     [](TestWorld& world) {
       world.create_image("demo");
       world.host().fail_next(FakeHost::Call::kRemoveSnapshot, ErrorKind::kInternal);
       world.send({"DELETE", image_path("demo"), ""});
       await_image_state(world, "DELETE_FAILED");
       return "demo";
     }},
};

TEST(GoldenStatesTest, ImagesInEveryState) {
  check_all(
      {
          {"GetMicrovmImage", [](const std::string& id) { return get(image_path(id)); }},
          {"ListMicrovmImages", [](const std::string&) { return get(kImages); }},
          {"CreateMicrovmImage", [](const std::string& id) { return create(TestWorld::image_body(id)); }},
          {"UpdateMicrovmImage", [](const std::string& id) { return update(id); }},
          {"DeleteMicrovmImage", [](const std::string& id) { return TestRequest{"DELETE", image_path(id), ""}; }},
          {"GetMicrovmImageVersion", [](const std::string& id) { return get(image_path(id, "/versions/1.0")); }},
          {"ListMicrovmImageVersions", [](const std::string& id) { return get(image_path(id, "/versions")); }},
          {"UpdateMicrovmImageVersion",
           [](const std::string& id) { return patch(id, "1.0", R"({"status":"INACTIVE"})"); }},
          {"DeleteMicrovmImageVersion",
           [](const std::string& id) { return TestRequest{"DELETE", image_path(id, "/versions/1.0"), ""}; }},
          {"ListMicrovmImageBuilds", [](const std::string& id) { return get(image_path(id, "/versions/1.0/builds")); }},
          {"RunMicrovm", [](const std::string& id) { return run(run_body(id)); }},
          {"TagResource",
           [](const std::string& id) {
             return TestRequest{"POST", kTagsPath + TestWorld::image_arn(id), R"({"Tags":{"team":"a"}})"};
           }},
          {"UntagResource",
           [](const std::string& id) {
             return TestRequest{"DELETE", kTagsPath + TestWorld::image_arn(id) + "?tagKeys=team", ""};
           }},
          {"ListTags", [](const std::string& id) { return get(kTagsPath + TestWorld::image_arn(id)); }},
      },
      kImageStates);
}

// --- versions and their builds ---

// They answer the id of the build of version 1.0.
std::string build_of_demo(TestWorld& world) { return world.build_id(TestWorld::image_arn("demo")); }

// Version 1.0 of two, which cannot be the last one.
std::string doomed_version(TestWorld& world) {
  updated_image(world);
  const std::string build = build_of_demo(world);
  world.send({"DELETE", image_path("demo", "/versions/1.0"), ""});
  return build;
}

const std::vector<State> kVersionStates = {
    {"PENDING",
     [](TestWorld& world) {
       world.host().hold(FakeHost::Call::kBuild);
       for (const char* const before : {"first", "second"}) {  // as many as are built at a time
         world.send(create(TestWorld::image_body(before)));
       }
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kBuild, 2));
       world.send(create(TestWorld::image_body("demo")));
       return build_of_demo(world);
     }},
    {"IN_PROGRESS",
     [](TestWorld& world) {
       world.host().hold(FakeHost::Call::kBuild);
       world.send(create(TestWorld::image_body("demo")));
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kBuild));
       return build_of_demo(world);
     }},
    {"SUCCESSFUL",
     [](TestWorld& world) {
       updated_image(world);
       return build_of_demo(world);
     }},
    {"FAILED",
     [](TestWorld& world) {
       world.create_failed_image("demo", kFailure);
       return build_of_demo(world);
     }},
    {"DELETING",
     [](TestWorld& world) {
       world.host().hold(FakeHost::Call::kRemoveSnapshot);
       return doomed_version(world);
     }},
    {"DELETE_FAILED",
     [](TestWorld& world) {
       world.host().fail_next(FakeHost::Call::kRemoveSnapshot, ErrorKind::kInternal);
       std::string build = doomed_version(world);
       await_image_state(world, "UPDATE_FAILED");
       return build;
     }},
};

TEST(GoldenStatesTest, VersionsAndTheirBuildsInEveryState) {
  const std::string version = image_path("demo", "/versions/1.0");
  check_all(
      {
          {"GetMicrovmImageVersion_version", [&](const std::string&) { return get(version); }},
          {"UpdateMicrovmImageVersion_version",
           [](const std::string&) { return patch("demo", "1.0", R"({"status":"ACTIVE"})"); }},
          {"DeleteMicrovmImageVersion_version", [&](const std::string&) { return TestRequest{"DELETE", version, ""}; }},
          {"ListMicrovmImageBuilds_version", [&](const std::string&) { return get(version + "/builds"); }},
          {"GetMicrovmImageBuild_version", [&](const std::string& build) { return get(version + "/builds/" + build); }},
          {"RunMicrovm_version", [](const std::string&) { return run(run_body("demo", R"(,"imageVersion":"1.0")")); }},
      },
      kVersionStates);
}

// --- MicroVMs ---

std::string vm_id(const net::Response& response) {
  std::smatch id;
  const std::string& body = std::get<std::string>(response.body);
  return std::regex_search(body, id, std::regex("\"microvmId\":\"([^\"]+)\"")) ? id[1].str() : "";
}

std::string running_vm(TestWorld& world) {
  world.create_image("demo");
  const std::string connectors =
      R"(,"ingressNetworkConnectors":[)"
      R"("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:HTTP_INGRESS",)"
      R"("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:SHELL_INGRESS"])";
  return world.run_microvm(TestWorld::image_arn("demo"), connectors);
}

const std::vector<State> kMicrovmStates = {
    {"PENDING",
     [](TestWorld& world) {
       world.create_image("demo");
       world.host().hold(FakeHost::Call::kLaunch);
       const std::string id = vm_id(world.send(run(run_body("demo"))));
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kLaunch));
       return id;
     }},
    {"RUNNING", running_vm},
    {"SUSPENDING",
     [](TestWorld& world) {
       const std::string id = running_vm(world);
       world.host().hold(FakeHost::Call::kSuspend);
       world.send({"POST", vm_path(id, "/suspend"), ""});
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kSuspend));
       return id;
     }},
    {"SUSPENDED",
     [](TestWorld& world) {
       const std::string id = running_vm(world);
       world.send({"POST", vm_path(id, "/suspend"), ""});
       world.await_state(id, control::MicrovmState::kSuspended);
       return id;
     }},
    {"TERMINATING",
     [](TestWorld& world) {
       const std::string id = running_vm(world);
       world.host().hold(FakeHost::Call::kTerminate);
       world.send({"DELETE", vm_path(id), ""});
       EXPECT_TRUE(world.host().wait_for(FakeHost::Call::kTerminate));
       return id;
     }},
    {"TERMINATED",
     [](TestWorld& world) {
       const std::string id = running_vm(world);
       world.terminate(id);
       return id;
     }},
};

TEST(GoldenStatesTest, MicrovmsInEveryState) {
  check_all(
      {
          {"GetMicrovm", [](const std::string& id) { return get(vm_path(id)); }},
          {"ListMicrovms", [](const std::string&) { return get(kMicrovms); }},
          {"SuspendMicrovm", [](const std::string& id) { return TestRequest{"POST", vm_path(id, "/suspend"), ""}; }},
          {"ResumeMicrovm", [](const std::string& id) { return TestRequest{"POST", vm_path(id, "/resume"), ""}; }},
          {"TerminateMicrovm", [](const std::string& id) { return TestRequest{"DELETE", vm_path(id), ""}; }},
          {"CreateMicrovmAuthToken",
           [](const std::string& id) {
             return TestRequest{
                 "POST", vm_path(id, "/auth-token"), R"({"expirationInMinutes":5,"allowedPorts":[{"port":8080}]})"};
           }},
          {"CreateMicrovmShellAuthToken",
           [](const std::string& id) {
             return TestRequest{"POST", vm_path(id, "/shell-auth-token"), R"({"expirationInMinutes":5})"};
           }},
          {"DeleteMicrovmImage_with_vm",
           [](const std::string&) { return TestRequest{"DELETE", image_path("demo"), ""}; }},
      },
      kMicrovmStates);
}

// --- network connectors ---

std::string new_connector(TestWorld& world) {
  return connector_id(world.send(connect("net", R"(,"Tags":{"team":"a"})")));
}

const std::vector<State> kConnectorStates = {
    {"PENDING", new_connector},
    {"ACTIVE",
     [](TestWorld& world) {
       const std::string id = new_connector(world);
       EXPECT_TRUE(world.control.wait_for_connectors(1));
       return id;
     }},
    {"DELETING",
     [](TestWorld& world) {
       const std::string id = new_connector(world);
       EXPECT_TRUE(world.control.wait_for_connectors(1));
       world.send({"DELETE", std::string(kConnectors) + "/" + id, ""});
       return id;
     }},
    {"deleted",
     [](TestWorld& world) {
       const std::string id = new_connector(world);
       EXPECT_TRUE(world.control.wait_for_connectors(1));
       world.send({"DELETE", std::string(kConnectors) + "/" + id, ""});
       EXPECT_TRUE(world.control.wait_for_connectors(2));
       return id;
     }},
};

TEST(GoldenStatesTest, ConnectorsInEveryState) {
  const auto path = [](const std::string& id) { return std::string(kConnectors) + "/" + id; };
  const auto tags = [](const std::string& id) {
    return kTagsPath + "arn:aws:lambda:us-east-1:000000000000:network-connector:" + id;
  };
  check_all(
      {
          {"GetNetworkConnector", [&](const std::string& id) { return get(path(id)); }},
          {"ListNetworkConnectors", [](const std::string&) { return get(kConnectors); }},
          {"CreateNetworkConnector", [](const std::string&) { return connect("net", R"(,"Tags":{"team":"a"})"); }},
          {"UpdateNetworkConnector",
           [&](const std::string& id) {
             return TestRequest{"PUT", path(id), R"({"OperatorRole":"arn:aws:iam::000000000000:role/other"})"};
           }},
          {"DeleteNetworkConnector", [&](const std::string& id) { return TestRequest{"DELETE", path(id), ""}; }},
          {"TagResource_connector",
           [&](const std::string& id) { return TestRequest{"POST", tags(id), R"({"Tags":{"stage":"b"}})"}; }},
          {"UntagResource_connector",
           [&](const std::string& id) { return TestRequest{"DELETE", tags(id) + "?tagKeys=team", ""}; }},
          {"ListTags_connector", [&](const std::string& id) { return get(tags(id)); }},
      },
      kConnectorStates);
}

}  // namespace
}  // namespace dormouse::api
