// SPDX-License-Identifier: Apache-2.0

#include "control/checkpoints.h"

#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "control/microvms_test.h"

namespace dormouse::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class CheckpointsTest : public MicrovmsTest {
 protected:
  std::vector<Microvm> forked(const std::string& id, ForkRequest request = {}) {
    const auto children = fixture.microvms->fork_microvm(kAccount, id, request);
    EXPECT_TRUE(children) << children.error().message;
    return children.value_or(std::vector<Microvm>());
  }
  Checkpoint made(const std::string& id, const std::optional<std::string>& name = std::nullopt) {
    const auto checkpoint = fixture.checkpoints->create(kAccount, id, name);
    EXPECT_TRUE(checkpoint) << checkpoint.error().message;
    return checkpoint.value_or(Checkpoint());
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(fixture.directory.path() / "checkpoints", error)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  // What a refusal says; empty: there was none.
  template <typename T>
  static std::string refusal(const Answer<T>& answer) {
    return answer ? "" : answer.error().message;
  }
  void terminate(const std::string& id) {
    ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
    ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  }
};

// ---- fork ----

TEST_F(CheckpointsTest, ForkedVmsGoOnFromTheirParentUnderNamesOfTheirOwn) {
  RunRequest request = with_idle_policy(900, 60, true);
  request.maximum_duration_seconds = 1000;
  const std::string parent = running_vm(ControlFixture::all_hooks(), request);
  ForkRequest fork;
  fork.count = 3;
  fork.run_hook_payload = "yes";
  const auto children = forked(parent, fork);
  ASSERT_THAT(children, SizeIs(3));
  std::set<std::string> names{fixture.get(parent).endpoint};
  for (const Microvm& child : children) {
    EXPECT_EQ(child.state, MicrovmState::kPending);
    EXPECT_EQ(child.parent_microvm_id, parent);
    EXPECT_EQ(child.idle_policy->max_idle_duration_seconds, 900);
    EXPECT_EQ(child.maximum_duration_seconds, 1000);
    EXPECT_TRUE(names.insert(child.endpoint).second);
    EXPECT_TRUE(reaches(child.microvm_id, MicrovmState::kRunning));
  }
  const auto saved = host.checkpoints();
  ASSERT_THAT(saved, SizeIs(1));
  EXPECT_EQ(saved[0].microvm_id, parent);
  EXPECT_FALSE(saved[0].durable);
  for (const auto& launch : host.launches()) {
    EXPECT_EQ(launch.checkpoint.has_value(), launch.microvm_id != parent);
  }
  for (const auto& call : host.hook_calls()) {
    const auto body = boost::json::parse(call.body).as_object();
    EXPECT_EQ(body.contains("parentMicrovmId"), body.at("microvmId").as_string() != parent);
    if (body.contains("parentMicrovmId")) {
      EXPECT_EQ(body.at("parentMicrovmId").as_string(), parent);
      EXPECT_EQ(body.at("runHookPayload").as_string(), "yes");
    }
  }
  EXPECT_EQ(state(parent), MicrovmState::kRunning);
  host.wait_for(FakeHost::Call::kRemoveCheckpoint);
  fixture.microvms->stop();
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(CheckpointsTest, ForkOfASuspendedVmLeavesItAsleep) {
  const std::string parent = running_vm();
  suspend(parent);
  const auto children = forked(parent);
  ASSERT_THAT(children, SizeIs(1));
  EXPECT_TRUE(reaches(children[0].microvm_id, MicrovmState::kRunning));
  EXPECT_EQ(state(parent), MicrovmState::kSuspended);
}

TEST_F(CheckpointsTest, ForkDuringASuspensionIsDoneAfterIt) {
  const std::string parent = running_vm();
  host.hold(FakeHost::Call::kSuspend);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, parent));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kSuspend));
  const auto children = forked(parent);
  host.release(FakeHost::Call::kSuspend);
  EXPECT_TRUE(reaches(children[0].microvm_id, MicrovmState::kRunning));
  EXPECT_EQ(state(parent), MicrovmState::kSuspended);
}

TEST_F(CheckpointsTest, ForkOfAVmThatHasNoStateIsRefusedWithTheState) {
  image_with(std::nullopt);
  host.hold(FakeHost::Call::kLaunch);
  const std::string pending = fixture.run(fixture.run_request()).microvm_id;
  const auto early = fixture.microvms->fork_microvm(kAccount, pending, {});
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().kind, ServiceErrorKind::kConflict);
  EXPECT_EQ(early.error().message,
            "The MicroVM " + pending + " is PENDING and has no state yet; try again when it is RUNNING.");
  host.release(FakeHost::Call::kLaunch);
  ASSERT_TRUE(reaches(pending, MicrovmState::kRunning));
  terminate(pending);
  EXPECT_EQ(refusal(fixture.microvms->fork_microvm(kAccount, pending, {})),
            "The MicroVM " + pending + " has been terminated and its state cannot be changed.");
  EXPECT_EQ(refusal(fixture.microvms->fork_microvm(kAccount, "microvm-x", {})), "MicroVM not found: microvm-x");
  EXPECT_EQ(refusal(fixture.microvms->fork_microvm("111111111111", pending, {})), "MicroVM not found: " + pending);
}

TEST_F(CheckpointsTest, ForkBeyondTheQuotaLaunchesNone) {
  const std::string parent = running_vm();
  Quotas quotas;
  quotas.memory_mib = 4096;
  fixture.world->quotas.set_defaults(quotas);
  ForkRequest fork;
  fork.count = 2;
  EXPECT_THAT(refusal(fixture.microvms->fork_microvm(kAccount, parent, fork)),
              StartsWith("The base maximum allocated memory"));
  EXPECT_THAT(forked(parent), SizeIs(1));
}

TEST_F(CheckpointsTest, ForkWhoseSaveFailsEndsTheChildrenAndNothingElse) {
  const std::string parent = running_vm();
  host.fail_next(FakeHost::Call::kCheckpoint, ErrorKind::kResourceExhausted);
  const auto children = forked(parent);
  ASSERT_THAT(children, SizeIs(1));
  ASSERT_TRUE(reaches(children[0].microvm_id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(children[0].microvm_id).state_reason,
            "The MicroVM's parent could not be saved, so that there is nothing to go on from.");
  EXPECT_EQ(state(parent), MicrovmState::kRunning);
  EXPECT_THAT(host.vms(), ElementsAre(parent));
}

TEST_F(CheckpointsTest, ChildThatIsEndedBeforeItsParentIsSavedIsNotLaunched) {
  const std::string parent = running_vm();
  host.hold(FakeHost::Call::kCheckpoint);
  const auto children = fixture.microvms->fork_microvm(kAccount, parent, {});
  ASSERT_TRUE(children);
  const std::string child = children->front().microvm_id;
  EXPECT_TRUE(fixture.microvms->terminate(kAccount, child));
  EXPECT_TRUE(reaches(child, MicrovmState::kTerminated));
  host.release(FakeHost::Call::kCheckpoint);
  EXPECT_TRUE(host.wait_for(FakeHost::Call::kRemoveCheckpoint));
  EXPECT_EQ(host.vms(), std::set<std::string>{parent});
  EXPECT_EQ(state(child), MicrovmState::kTerminated);
}

TEST_F(CheckpointsTest, ParentThatEndsWhileItIsForkedEndsTheChildren) {
  const std::string parent = running_vm();
  host.hold(FakeHost::Call::kCheckpoint);
  const auto children = forked(parent);
  const auto waiting = forked(parent);
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kCheckpoint));
  terminate(parent);
  EXPECT_TRUE(reaches(children[0].microvm_id, MicrovmState::kTerminated));
  EXPECT_TRUE(reaches(waiting[0].microvm_id, MicrovmState::kTerminated));
  EXPECT_THAT(host.vms(), IsEmpty());
}

TEST_F(CheckpointsTest, ForkThatADaemonsEndInterruptedLeavesNothing) {
  const std::string parent = running_vm();
  host.hold(FakeHost::Call::kLaunch);
  const auto children = forked(parent);
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kLaunch, 2));
  // As if killed: what is on disk stays, whoever held it goes.
  const std::filesystem::path left = fixture.directory.path() / "checkpoints" / "fork-left";
  std::filesystem::create_directories(left);
  std::filesystem::create_directories(fixture.directory.path() / "checkpoints" / "checkpoint-half.tmp");
  host.fail_next(FakeHost::Call::kLaunch, ErrorKind::kInternal);
  host.release(FakeHost::Call::kLaunch);
  ASSERT_TRUE(reaches(children[0].microvm_id, MicrovmState::kTerminated));
  fixture.restart();
  fixture.start();
  EXPECT_THAT(files(), IsEmpty());
}

// ---- checkpoints ----

TEST_F(CheckpointsTest, CheckpointOutlivesItsVmAndTheDaemonAndIsLaunchedFrom) {
  const std::string id = running_vm();
  const Checkpoint checkpoint = made(id, "before-lunch");
  EXPECT_THAT(checkpoint.checkpoint_id, StartsWith("checkpoint-"));
  EXPECT_TRUE(host.checkpoints().at(0).durable);
  terminate(id);
  fixture.restart();
  fixture.start();
  const auto found = fixture.checkpoints->list(kAccount, id, 10, std::nullopt);
  ASSERT_TRUE(found);
  ASSERT_THAT(found->items, SizeIs(1));
  EXPECT_EQ(found->items[0].name, "before-lunch");
  EXPECT_EQ(found->items[0].created_at, checkpoint.created_at);
  EXPECT_EQ(found->items[0].source.microvm_id, id);
  const auto children = fixture.checkpoints->fork_checkpoint(kAccount, checkpoint.checkpoint_id, {});
  ASSERT_TRUE(children) << children.error().message;
  EXPECT_TRUE(reaches(children->at(0).microvm_id, MicrovmState::kRunning));
  EXPECT_EQ(children->at(0).parent_microvm_id, id);
  EXPECT_THAT(files(), ElementsAre(checkpoint.checkpoint_id));
}

TEST_F(CheckpointsTest, CheckpointGoesByItselfWhenItIsOlderThanItMayBe) {
  const std::string microvm = running_vm();
  const Checkpoint old = made(microvm);
  fixture.clock.advance(std::chrono::hours(2));
  const Checkpoint young = made(microvm);
  fixture.restart();
  fixture.world->checkpoint_age_max = std::chrono::hours(24);
  fixture.start();
  EXPECT_THAT(files(), SizeIs(2));
  fixture.clock.advance(std::chrono::hours(22));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kRemoveCheckpoint));
  fixture.checkpoints->stop();
  EXPECT_THAT(files(), ElementsAre(young.checkpoint_id));
  EXPECT_FALSE(fixture.checkpoints->get(kAccount, old.checkpoint_id));
  EXPECT_TRUE(fixture.checkpoints->get(kAccount, young.checkpoint_id));
}

TEST_F(CheckpointsTest, NamesAreAVmsOwnAndItsCheckpointsAreLimited) {
  const std::string id = running_vm();
  const Checkpoint first = made(id, "one");
  const auto second = fixture.checkpoints->create(kAccount, id, "one");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ServiceErrorKind::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("has a checkpoint named 'one' already"));
  const std::string other = another_vm();
  made(other, "one");
  for (std::size_t i = 1; i < Checkpoints::kPerMicrovmMax; ++i) {
    made(id);
  }
  const auto beyond = fixture.checkpoints->create(kAccount, id, std::nullopt);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, ServiceErrorKind::kServiceQuotaExceeded);
  EXPECT_THAT(beyond.error().message, HasSubstr("has 32 checkpoints and the account 33; 32 and 1000 are allowed"));
  ASSERT_TRUE(fixture.checkpoints->remove(kAccount, first.checkpoint_id));
  made(id, "one");
}

TEST_F(CheckpointsTest, ListingIsNewestFirstAndGoesOnWhereItEnded) {
  const std::string id = running_vm();
  std::vector<std::string> newest_first;
  for (int i = 0; i < 3; ++i) {
    newest_first.insert(newest_first.begin(), made(id).checkpoint_id);
    fixture.clock.advance(std::chrono::seconds(1));
  }
  const auto page = fixture.checkpoints->list(kAccount, std::nullopt, 2, std::nullopt);
  ASSERT_TRUE(page);
  ASSERT_TRUE(page->next);
  const auto rest = fixture.checkpoints->list(kAccount, std::nullopt, 2, page->next);
  ASSERT_TRUE(rest);
  ASSERT_TRUE(fixture.checkpoints->remove(kAccount, page->items.back().checkpoint_id));
  const auto without = fixture.checkpoints->list(kAccount, std::nullopt, 2, page->next);
  ASSERT_TRUE(without) << "whoever deletes what a page shows goes on with the next";
  ASSERT_THAT(without->items, SizeIs(1));
  EXPECT_EQ(without->items[0].checkpoint_id, rest->items.at(0).checkpoint_id);
  EXPECT_FALSE(rest->next);
  std::vector<std::string> ids;
  for (const auto* one : {&*page, &*rest}) {
    for (const Checkpoint& checkpoint : one->items) {
      ids.push_back(checkpoint.checkpoint_id);
    }
  }
  EXPECT_EQ(ids, newest_first);
  EXPECT_THAT(fixture.checkpoints->list("111111111111", std::nullopt, 10, std::nullopt)->items, IsEmpty());
  EXPECT_EQ(fixture.checkpoints->count(kAccount), 2U);
  EXPECT_EQ(fixture.checkpoints->count("111111111111"), 0U);
}

TEST_F(CheckpointsTest, CheckpointThatFailsIsNotThereAndTheVmRunsOn) {
  const std::string id = running_vm();
  host.fail_next(FakeHost::Call::kCheckpoint, ErrorKind::kResourceExhausted);
  const auto failed = fixture.checkpoints->create(kAccount, id, "one");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ServiceErrorKind::kInsufficientCapacity);
  EXPECT_EQ(failed.error().message, "The host's disk is full: the MicroVM " + id + " is as it was.");
  EXPECT_EQ(state(id), MicrovmState::kRunning);
  made(id, "one");
}

TEST_F(CheckpointsTest, ImageIsNotDeletedWhileACheckpointStandsOnIt) {
  const std::string id = running_vm();
  const Checkpoint checkpoint = made(id);
  terminate(id);
  const std::string held =
      "Cannot delete microvm image with checkpoints: " + checkpoint.checkpoint_id + ". Delete those first.";
  EXPECT_EQ(refusal(fixture.images->remove(kAccount, ControlFixture::kImageArn)), held);
  fixture.restart();
  fixture.start();
  EXPECT_EQ(refusal(fixture.images->remove(kAccount, ControlFixture::kImageArn)), held);
  ASSERT_TRUE(fixture.checkpoints->remove(kAccount, checkpoint.checkpoint_id));
  EXPECT_TRUE(fixture.images->remove(kAccount, ControlFixture::kImageArn));
}

TEST_F(CheckpointsTest, CheckpointIsNotRemovedWhileAVmIsLaunchedFromIt) {
  const std::string id = running_vm();
  const Checkpoint checkpoint = made(id);
  host.hold(FakeHost::Call::kLaunch);
  const auto children = fixture.checkpoints->fork_checkpoint(kAccount, checkpoint.checkpoint_id, {});
  ASSERT_TRUE(children);
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kLaunch, 2));
  const auto refused = fixture.checkpoints->remove(kAccount, checkpoint.checkpoint_id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kConflict);
  host.release(FakeHost::Call::kLaunch);
  ASSERT_TRUE(reaches(children->at(0).microvm_id, MicrovmState::kRunning));
}

TEST_F(CheckpointsTest, DamagedCheckpointEndsTheChildWithAReason) {
  const std::string id = running_vm();
  const Checkpoint checkpoint = made(id);
  host.fail_next(FakeHost::Call::kLaunch, ErrorKind::kDataLoss);
  const auto children = fixture.checkpoints->fork_checkpoint(kAccount, checkpoint.checkpoint_id, {});
  ASSERT_TRUE(children);
  ASSERT_TRUE(reaches(children->at(0).microvm_id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(children->at(0).microvm_id).state_reason,
            "The checkpoint is damaged and cannot be launched from. Please make another.");
}

// ---- rollback ----

TEST_F(CheckpointsTest, RollbackOfARunningVmPutsItToSleepAndWakesItWithItsHook) {
  const std::string id = running_vm(ControlFixture::all_hooks(), with_idle_policy(900, 0, false));
  const Checkpoint checkpoint = made(id, "one");
  ASSERT_TRUE(fixture.checkpoints->rollback(kAccount, id, "one"));
  ASSERT_TRUE(reaches(id, MicrovmState::kRunning, 2));
  EXPECT_THAT(fixture.states.states(id),
              ElementsAre(MicrovmState::kPending,
                          MicrovmState::kRunning,
                          MicrovmState::kSuspending,
                          MicrovmState::kSuspended,
                          MicrovmState::kRunning));
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 0);
  EXPECT_THAT(host.rollbacks(), ElementsAre(fixture.directory.path() / "checkpoints" / checkpoint.checkpoint_id));
  ASSERT_THAT(host.hook_calls(), SizeIs(2));
  EXPECT_EQ(host.hook_calls()[1].path, "/aws/lambda-microvms/runtime/v1/resume");
}

TEST_F(CheckpointsTest, RollbackOfASuspendedVmLeavesItSuspended) {
  const std::string id = running_vm();
  const Checkpoint checkpoint = made(id);
  suspend(id);
  ASSERT_TRUE(fixture.checkpoints->rollback(kAccount, id, checkpoint.checkpoint_id));
  EXPECT_EQ(state(id), MicrovmState::kSuspended);
  EXPECT_EQ(host.count(FakeHost::Call::kRollback), 1);
  ASSERT_TRUE(fixture.microvms->resume(kAccount, id));
  EXPECT_TRUE(reaches(id, MicrovmState::kRunning, 2));
}

TEST_F(CheckpointsTest, RollbackThatFailsLeavesTheVmAsItWas) {
  const std::string id = running_vm();
  made(id, "one");
  host.fail_next(FakeHost::Call::kRollback, ErrorKind::kDataLoss);
  EXPECT_EQ(refusal(fixture.checkpoints->rollback(kAccount, id, "one")),
            "The checkpoint is damaged and cannot be used; the MicroVM is as it was. Please delete it.");
  EXPECT_EQ(state(id), MicrovmState::kRunning);
  touch(id);
  EXPECT_EQ(host.count(FakeHost::Call::kResume), 0);
}

TEST_F(CheckpointsTest, RollbackGoesToAVmsOwnCheckpointsOnly) {
  const std::string id = running_vm();
  const std::string other = another_vm();
  const Checkpoint checkpoint = made(other, "one");
  EXPECT_EQ(refusal(fixture.checkpoints->rollback(kAccount, id, "one")),
            "The MicroVM " + id + " has no checkpoint one");
  EXPECT_EQ(refusal(fixture.checkpoints->rollback(kAccount, id, checkpoint.checkpoint_id)),
            "The MicroVM " + id + " has no checkpoint " + checkpoint.checkpoint_id);
}

TEST_F(CheckpointsTest, RollbackOfAVmThatEndsMeanwhileIsRefused) {
  const std::string id = running_vm();
  made(id, "one");
  Request request(*fixture.microvms, id);  // the rollback waits for it
  ASSERT_EQ(request.wait(), "lease");
  std::string told;
  std::thread asking([&] { told = refusal(fixture.checkpoints->rollback(kAccount, id, "one")); });
  EXPECT_TRUE(reaches(id, MicrovmState::kSuspending));
  terminate(id);
  asking.join();
  EXPECT_EQ(told, "The MicroVM " + id + " has been terminated and its state cannot be changed.");
  EXPECT_EQ(host.count(FakeHost::Call::kRollback), 0);
}

TEST_F(CheckpointsTest, SuspensionAskedForDuringARollbackIsKept) {
  const std::string id = running_vm();
  made(id, "one");
  host.hold(FakeHost::Call::kRollback);
  std::thread asking([&] { EXPECT_TRUE(fixture.checkpoints->rollback(kAccount, id, "one")); });
  EXPECT_TRUE(host.wait_for(FakeHost::Call::kRollback));
  EXPECT_TRUE(fixture.microvms->suspend(kAccount, id));
  host.release(FakeHost::Call::kRollback);
  asking.join();
  EXPECT_EQ(state(id), MicrovmState::kSuspended);
  EXPECT_EQ(host.count(FakeHost::Call::kResume), 0);
}

}  // namespace
}  // namespace dormouse::control
