// SPDX-License-Identifier: Apache-2.0

#include <thread>

#include "api/golden.h"
#include "store/sqlite.h"

namespace dormouse::api {
namespace {

constexpr const char* kOurs = "/dormouse/2026-11-01";
constexpr const char* kAbsent = "/dormouse/2026-11-01/checkpoints/checkpoint-0badc0de-0000-4000-8000-0badc0de0bad";

TestRequest fork(const std::string& path, const std::string& body = "{}") { return {"POST", path + "/fork", body}; }
std::string ours(const std::string& vm) { return std::string(kOurs) + "/microvms/" + vm; }
TestRequest make(const std::string& vm, const std::string& body = "{}") {
  return {"POST", ours(vm) + "/checkpoints", body};
}
TestRequest roll_back(const std::string& vm, const std::string& checkpoint) {
  return {"POST", ours(vm) + "/rollback", fmt::format(R"({{"checkpointIdentifier":"{}"}})", checkpoint)};
}

std::string found_in(const net::Response& response, const std::string& pattern) {
  std::smatch found;
  const std::string& body = std::get<std::string>(response.body);
  return std::regex_search(body, found, std::regex(pattern)) ? found[0].str() : "";
}

class GoldenCheckpointsTest : public GoldenTest {
 protected:
  GoldenCheckpointsTest() { world.create_image("demo"); }

  std::string running() { return world.run_microvm(TestWorld::image_arn("demo")); }
  std::string checkpoint_of(const std::string& vm) {
    return std::string(kOurs) + "/checkpoints/" + found_in(world.send(make(vm)), "checkpoint-[0-9a-f-]{36}");
  }
};

TEST_F(GoldenCheckpointsTest, ChildrenAreAnsweredWithTheirParent) {
  const std::string vm = running();
  const net::Response response =
      check("ForkMicrovm/success",
            fork(ours(vm),
                 R"({"count":2,"maximumDurationInSeconds":600,"idlePolicy":{"maxIdleDurationSeconds":60,)"
                 R"("suspendedDurationSeconds":3600,"autoResumeEnabled":true}})"));
  const std::string child = found_in(response, "microvm-[0-9a-f-]{36}");
  world.await_state(child, control::MicrovmState::kRunning);
  check("DescribeMicrovm/child", get(ours(child)));
  check("ForkCheckpoint/success", fork(checkpoint_of(vm)));
}

TEST_F(GoldenCheckpointsTest, CheckpointsAreMadeFoundAndDeleted) {
  const std::string vm = running();
  const net::Response made = check("CreateCheckpoint/success", make(vm, R"({"name":"before"})"));
  const std::string path = std::string(kOurs) + "/checkpoints/" + found_in(made, "checkpoint-[0-9a-f-]{36}");
  check("CreateCheckpoint/name_taken", make(vm, R"({"name":"before"})"));
  check("GetCheckpoint/success", get(path));
  world.control.clock.advance(std::chrono::seconds(1));
  checkpoint_of(vm);
  check("ListCheckpoints/success", get(std::string(kOurs) + "/checkpoints?maxResults=1&microvmIdentifier=" + vm));
  check("RollbackMicrovm/success", roll_back(vm, "before"));
  world.await_state(vm, control::MicrovmState::kRunning, 2);
  world.terminate(vm);
  check("DeleteMicrovmImage/with_checkpoints", {"DELETE", image_path("demo"), ""});
  check("DeleteCheckpoint/success", {"DELETE", path, ""});
  check("DeleteCheckpoint/missing", {"DELETE", path, ""});
}

TEST_F(GoldenCheckpointsTest, WhatIsNotThereIsNotFound) {
  const std::string vm = running();
  check("ForkMicrovm/missing", fork(ours("microvm-absent")));
  check("CreateCheckpoint/missing", make("microvm-absent"));
  check("RollbackMicrovm/missing", roll_back("microvm-absent", "before"));
  check("RollbackMicrovm/missing_checkpoint", roll_back(vm, "before"));
  check("GetCheckpoint/missing", get(kAbsent));
  check("ForkCheckpoint/missing", fork(kAbsent));
}

TEST_F(GoldenCheckpointsTest, MicrovmsWithoutAStateAreRefused) {
  const std::string vm = running();
  const std::string checkpoint = checkpoint_of(vm);
  world.host().hold(test::FakeHost::Call::kLaunch);
  const std::string pending =
      found_in(world.send(run(run_body("demo"))), "microvm-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}");
  check("ForkMicrovm/pending", fork(ours(pending)));
  check("CreateCheckpoint/pending", make(pending));
  world.host().release(test::FakeHost::Call::kLaunch);
  world.terminate(vm);
  check("ForkMicrovm/terminated", fork(ours(vm)));
  check("CreateCheckpoint/terminated", make(vm));
  check("RollbackMicrovm/terminated", roll_back(vm, checkpoint.substr(checkpoint.rfind('/') + 1)));
  world.await_state(pending, control::MicrovmState::kRunning);
  check("ForkMicrovm/payload_without_hook", fork(ours(pending), R"({"runHookPayload":"x"})"));
}

TEST_F(GoldenCheckpointsTest, UnderWayMeansConflict) {
  const std::string vm = running();
  const std::string checkpoint = checkpoint_of(vm);
  world.host().hold(test::FakeHost::Call::kLaunch);
  world.send(fork(checkpoint));
  EXPECT_TRUE(world.host().wait_for(test::FakeHost::Call::kLaunch, 2));
  check("DeleteCheckpoint/in_use", {"DELETE", checkpoint, ""});
  world.host().release(test::FakeHost::Call::kLaunch);
  world.host().hold(test::FakeHost::Call::kRollback);
  const std::string id = checkpoint.substr(checkpoint.rfind('/') + 1);
  std::thread first([&] { world.send(roll_back(vm, id)); });
  EXPECT_TRUE(world.host().wait_for(test::FakeHost::Call::kRollback));
  check("RollbackMicrovm/under_way", roll_back(vm, id));
  world.host().release(test::FakeHost::Call::kRollback);
  first.join();
}

TEST_F(GoldenCheckpointsTest, FullHostsAndAccountsAreSaid) {
  const std::string vm = running();
  const std::string checkpoint = checkpoint_of(vm);
  world.host().fail_next(test::FakeHost::Call::kCheckpoint, ErrorKind::kResourceExhausted);
  check("CreateCheckpoint/disk_full", make(vm));
  world.host().fail_next(test::FakeHost::Call::kRollback, ErrorKind::kResourceExhausted);
  check("RollbackMicrovm/disk_full", roll_back(vm, checkpoint.substr(checkpoint.rfind('/') + 1)));
  world.host().fail_next(test::FakeHost::Call::kRollback, ErrorKind::kDataLoss);
  check("RollbackMicrovm/damaged", roll_back(vm, checkpoint.substr(checkpoint.rfind('/') + 1)));
  world.host().set_not_ready("it is being dusted");
  check("ForkMicrovm/not_ready", fork(ours(vm)));
  check("ForkCheckpoint/not_ready", fork(checkpoint));
  world.host().set_not_ready(std::nullopt);
  control::Quotas quotas;
  quotas.memory_mib = 2048;
  world.control.world->quotas.set_defaults(quotas);
  check("ForkMicrovm/memory_quota", fork(ours(vm)));
  check("ForkCheckpoint/memory_quota", fork(checkpoint));
  for (std::size_t i = 1; i < control::Checkpoints::kPerMicrovmMax; ++i) {
    checkpoint_of(vm);
  }
  check("CreateCheckpoint/too_many", make(vm));
}

TEST_F(GoldenCheckpointsTest, RecordsThatCannotBeRead) {
  const std::string checkpoint = checkpoint_of(running());
  const auto database = store::SqliteConnection::open(world.control.directory.path() / "metadata.sqlite",
                                                      store::SqliteConnection::Mode::kReadWriteCreate);
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->execute("DROP TABLE images;"));
  check("ForkCheckpoint/internal", fork(checkpoint));
}

}  // namespace
}  // namespace dormouse::api
