// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <string>

#include "control/microvms_test.h"

namespace dormouse::control {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::StartsWith;

// ---- the end ----

TEST_F(MicrovmsTest, TerminateAsksTheHookAndEndsWithSuccess) {
  const auto id = running_vm(ControlFixture::all_hooks());
  host.answer_hooks("terminate", 500);  // ignored
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(host.hook_calls().back().path, "/aws/lambda-microvms/runtime/v1/terminate");
  const Microvm ended = fixture.get(id);
  EXPECT_EQ(ended.state_reason, "Success.");
  EXPECT_TRUE(ended.terminated_at);
  EXPECT_TRUE(fixture.microvms->terminate(kAccount, id)) << "again";
  for (const auto& refused : {fixture.microvms->suspend(kAccount, id), fixture.microvms->resume(kAccount, id)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ServiceErrorKind::kValidation);
    EXPECT_EQ(refused.error().message, "The MicroVM " + id + " has been terminated and its state cannot be changed.");
  }
}

TEST_F(MicrovmsTest, TerminateOfASuspendedVmCallsNoHook) {
  const auto id = running_vm(ControlFixture::all_hooks());
  suspend(id);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(host.hook_calls().back().path, "/aws/lambda-microvms/runtime/v1/suspend");
}

TEST_F(MicrovmsTest, TerminateInterruptsALaunch) {
  image_with(std::nullopt);
  host.hold(FakeHost::Call::kLaunch);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kLaunch));
  Request held(*fixture.microvms, id);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  EXPECT_EQ(held.wait(), "refused");
  EXPECT_EQ(held.refusal(), EndpointRefusal::kTerminated);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "Success.");
}

TEST_F(MicrovmsTest, TerminateRevokesLeases) {
  const auto id = running_vm();
  Request stream(*fixture.microvms, id);
  ASSERT_EQ(stream.wait(), "lease");
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  EXPECT_TRUE(stream.revoked());
  EXPECT_TRUE(reaches(id, MicrovmState::kTerminated));
}

TEST_F(MicrovmsTest, TerminationThatTheHostFailsIsTriedAgain) {
  const auto id = running_vm();
  host.fail_next(FakeHost::Call::kTerminate, ErrorKind::kInternal);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kTerminate, 1));
  while (state(id) != MicrovmState::kTerminated) {
    fixture.clock.advance(seconds(1));
  }
  EXPECT_EQ(host.count(FakeHost::Call::kTerminate), 2);
}

TEST_F(MicrovmsTest, ExitOfTheApplicationEndsTheVmWithCodeSignalMemoryAndOutput) {
  const auto id = running_vm(ControlFixture::all_hooks());
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kApplicationExited;
  exit.exit_code = 137;
  exit.signal = 9;
  exit.out_of_memory = true;
  exit.last_output = "last \xFF words\n";
  host.end(id, exit);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  const Microvm ended = fixture.get(id);
  EXPECT_EQ(
      ended.state_reason,
      "Container Stopped with Exit Code: 137. It was ended by signal 9. The guest's kernel killed a process because "
      "memory ran out.");
  ASSERT_TRUE(ended.exit);
  EXPECT_EQ(ended.exit->last_output, "last ? words\n");
  EXPECT_EQ(ended.exit->exit_code, 137);
  EXPECT_EQ(host.hook_calls().size(), 1U) << "no /terminate: nobody is there to hear it";
}

TEST_F(MicrovmsTest, PlainExitHasThePlainSentence) {
  const auto id = running_vm();
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kApplicationExited;
  exit.exit_code = 3;
  host.end(id, exit);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "Container Stopped with Exit Code: 3");
}

TEST_F(MicrovmsTest, ExitDuringTheLaunchIsTheReason) {
  image_with(ControlFixture::all_hooks());
  host.hold(FakeHost::Call::kHook);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kHook));
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kApplicationExited;
  exit.exit_code = 1;
  host.end(id, exit);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "Container Stopped with Exit Code: 1");
}

TEST_F(MicrovmsTest, DeadVmmIsNotWaitedForByTheResumeHook) {
  const auto id = running_vm(ControlFixture::all_hooks());
  suspend(id);
  const int hooks = host.count(FakeHost::Call::kHook);
  host.hold(FakeHost::Call::kHook);
  ASSERT_TRUE(fixture.microvms->resume(kAccount, id));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kHook, hooks + 1));
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kVmmDied;
  exit.sentence = "Its VMM was killed.";
  host.end(id, exit);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  ASSERT_TRUE(fixture.get(id).exit);
  EXPECT_EQ(fixture.get(id).exit->sentence, "Its VMM was killed.");
}

TEST_F(MicrovmsTest, ExitDuringASuspensionThatSucceedsIsForgotten) {
  const auto id = running_vm();
  host.hold(FakeHost::Call::kSuspend);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kSuspend));
  host.end(id, host::VmExit());
  host.release(FakeHost::Call::kSuspend);
  ASSERT_TRUE(reaches(id, MicrovmState::kSuspended));
  EXPECT_FALSE(fixture.get(id).exit);
}

TEST_F(MicrovmsTest, DeathOfTheVmmEndsTheVmWithTheHostsSentence) {
  const auto id = running_vm();
  host::VmExit exit;
  exit.cause = host::VmExit::Cause::kVmmDied;
  exit.signal = 9;
  exit.sentence = "QEMU was killed by signal 9.";
  host.end(id, exit);
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "QEMU was killed by signal 9.");
}

// ---- policies ----

TEST_F(MicrovmsTest, IdleVmIsSuspendedAndARequestStartsTheClockAnew) {
  const auto id = running_vm(std::nullopt, with_idle_policy(60, 600, true));
  touch(id);
  fixture.clock.advance(seconds(59));
  Request request(*fixture.microvms, id);
  ASSERT_EQ(request.wait(), "lease");
  fixture.clock.advance(seconds(59));
  request.activity();
  fixture.clock.advance(seconds(59));
  EXPECT_EQ(state(id), MicrovmState::kRunning);
  request.finish();
  fixture.clock.advance(seconds(60));
  EXPECT_TRUE(reaches(id, MicrovmState::kSuspended));
}

TEST_F(MicrovmsTest, SilentOpenStreamDoesNotKeepAVmAwake) {
  const auto id = running_vm(std::nullopt, with_idle_policy(60, 600, true));
  Request stream(*fixture.microvms, id);
  ASSERT_EQ(stream.wait(), "lease");
  fixture.clock.advance(seconds(60));
  ASSERT_TRUE(reaches(id, MicrovmState::kSuspending));
  Request held(*fixture.microvms, id);  // its event is handled after the suspension began
  while (!stream.revoked()) {
    fixture.clock.advance(std::chrono::milliseconds(10));  // in small steps: the VM's life must not end meanwhile
  }
  stream.finish();
  EXPECT_EQ(held.wait(), "lease");
}

TEST_F(MicrovmsTest, VmWithoutIdlePolicyStaysAwake) {
  const auto id = running_vm();
  touch(id);
  fixture.clock.advance(std::chrono::hours(7));
  touch(id);
  EXPECT_EQ(state(id), MicrovmState::kRunning);
}

TEST_F(MicrovmsTest, SleepLongerThanThePolicyAllowsEndsTheVm) {
  const auto id = running_vm(std::nullopt, with_idle_policy(60, 300, true));
  suspend(id);
  fixture.clock.advance(seconds(300));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason,
            "The MicroVM was suspended for longer than suspendedDurationSeconds allows (300 seconds).");
}

TEST_F(MicrovmsTest, SuspendedDurationZeroEndsTheVmOnSuspend) {
  const auto id = running_vm(std::nullopt, with_idle_policy(60, 0, true));
  touch(id);
  fixture.clock.advance(seconds(60));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 0);
  EXPECT_EQ(fixture.get(id).state_reason, "The MicroVM was suspended, and its suspendedDurationSeconds is 0.");
}

TEST_F(MicrovmsTest, MaximumDurationEndsTheVmInAnyState) {
  RunRequest request;
  request.maximum_duration_seconds = 100;
  const auto running = running_vm(std::nullopt, request);
  const auto sleeping = another_vm(request);
  suspend(sleeping);
  host.hold(FakeHost::Call::kLaunch);
  request.image_identifier = ControlFixture::kImageArn;
  const auto pending = fixture.run(request).microvm_id;
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kLaunch, 3));
  fixture.clock.advance(seconds(100));
  for (const auto& id : {running, sleeping, pending}) {
    ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
    EXPECT_EQ(fixture.get(id).state_reason, "The MicroVM reached its maximumDurationInSeconds (100 seconds).");
  }
}

// ---- restarts ----

TEST_F(MicrovmsTest, RestartKeepsRunningAndSuspendedVms) {
  const auto running = running_vm();
  const auto sleeping = another_vm(with_idle_policy(600, 600, true));
  suspend(sleeping);
  fixture.restart();
  fixture.start();
  touch(running);
  EXPECT_EQ(state(running), MicrovmState::kRunning);
  EXPECT_EQ(state(sleeping), MicrovmState::kSuspended);
  touch(sleeping);
}

TEST_F(MicrovmsTest, DeadlinesThatPassedDuringTheRestartActAtOnce) {
  const auto id = running_vm(std::nullopt, with_idle_policy(60, 300, true));
  suspend(id);
  fixture.restart();
  fixture.clock.advance(seconds(301));
  fixture.start();
  EXPECT_TRUE(reaches(id, MicrovmState::kTerminated));
}

TEST_F(MicrovmsTest, VmThatIsGoneAfterARestartIsTerminatedWithTheReason) {
  const auto id = running_vm();
  fixture.restart();
  fixture.microvms->start({{id, host::RecoveredVm::State::kGone, "its VMM ended"}});
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "The MicroVM was gone when the daemon restarted: its VMM ended.");
}

TEST_F(MicrovmsTest, VmWithoutARecordIsEndedAtARestart) {
  fixture.host.put("microvm-stray", true);
  fixture.start();
  EXPECT_THAT(host.vms(), ElementsAre());
}

}  // namespace
}  // namespace dormouse::control
