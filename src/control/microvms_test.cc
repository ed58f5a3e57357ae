// SPDX-License-Identifier: Apache-2.0

#include "control/microvms.h"

#include <chrono>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ControlFixture;
using test::FakeHost;
using test::Request;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kAccount = ControlFixture::kAccount;

class MicrovmsTest : public testing::Test {
 protected:
  ~MicrovmsTest() override { EXPECT_THAT(fixture.host.broken_rules(), ElementsAre()); }

  // A RUNNING VM of an image with these hooks.
  std::string running_vm(const std::optional<Hooks>& hooks = std::nullopt, RunRequest request = {}) {
    image_with(hooks);
    return another_vm(std::move(request));
  }
  void image_with(const std::optional<Hooks>& hooks) {
    auto specification = ControlFixture::specification();
    specification.hooks = hooks;
    fixture.create_image(specification);
  }
  std::string another_vm(RunRequest request = {}) {
    request.image_identifier = ControlFixture::kImageArn;
    return fixture.run_to_running(request).microvm_id;
  }
  static RunRequest with_idle_policy(int idle, int suspended, bool auto_resume) {
    RunRequest request;
    request.idle_policy = IdlePolicy{idle, suspended, auto_resume};
    return request;
  }
  void suspend(const std::string& id, int times = 1) {
    ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
    ASSERT_TRUE(fixture.states.wait_for(id, MicrovmState::kSuspended, times));
  }
  bool reaches(const std::string& id, MicrovmState state, int times = 1) {
    return fixture.states.wait_for(id, state, times);
  }
  MicrovmState state(const std::string& id) { return fixture.get(id).state; }
  // The idle clock of a RUNNING VM starts when its gate opens: after a request was served it has.
  void touch(const std::string& id) {
    Request request(*fixture.microvms, id);
    ASSERT_EQ(request.wait(), "lease");
    request.finish();
  }

  ControlFixture fixture;
  FakeHost& host = fixture.host;
};

// ---- launch ----

TEST_F(MicrovmsTest, RunAnswersPendingAtOnceAndRunningFollows) {
  image_with(std::nullopt);
  host.hold(FakeHost::Call::kLaunch);
  const Microvm accepted = fixture.run(fixture.run_request());
  EXPECT_EQ(accepted.state, MicrovmState::kPending);
  EXPECT_THAT(accepted.microvm_id, StartsWith("microvm-"));
  EXPECT_EQ(accepted.endpoint, accepted.endpoint_id + ".lambda-microvm.us-east-1.localhost:9643");
  EXPECT_EQ(accepted.microvm_id.find(accepted.endpoint_id), std::string::npos);
  EXPECT_EQ(accepted.maximum_duration_seconds, 28'800);
  EXPECT_THAT(accepted.ingress_network_connectors,
              ElementsAre("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:HTTP_INGRESS"));
  EXPECT_THAT(accepted.egress_network_connectors,
              ElementsAre("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:INTERNET_EGRESS"));
  EXPECT_EQ(state(accepted.microvm_id), MicrovmState::kPending);
  host.release(FakeHost::Call::kLaunch);
  EXPECT_TRUE(reaches(accepted.microvm_id, MicrovmState::kRunning));
  EXPECT_EQ(fixture.get(accepted.microvm_id).isolation, host::Isolation::kTcg);
}

TEST_F(MicrovmsTest, EndpointLeavesOutPort443) {
  fixture.world->endpoint_port = 443;
  const auto id = running_vm();
  EXPECT_EQ(fixture.get(id).endpoint, fixture.get(id).endpoint_id + ".lambda-microvm.us-east-1.localhost");
}

TEST_F(MicrovmsTest, RunHookGetsTheIdAndThePayloadAsJson) {
  RunRequest request;
  request.run_hook_payload = R"({"a":"ä"})";
  const auto id = running_vm(ControlFixture::all_hooks(), request);
  const auto calls = host.hook_calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].path, "/aws/lambda-microvms/runtime/v1/run");
  EXPECT_EQ(calls[0].port, 9000);
  const auto body = boost::json::parse(calls[0].body);
  EXPECT_EQ(body.at("microvmId").as_string(), id);
  EXPECT_EQ(body.at("runHookPayload").as_string(), R"({"a":"ä"})");
}

TEST_F(MicrovmsTest, RunHookThatAnswersAnErrorEndsTheVmWithItsStatus) {
  image_with(ControlFixture::all_hooks());
  host.answer_hooks("run", 400);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason,
            "Run lifecycle hook returned HTTP status 400. Please check your hook endpoint and application logs for more "
            "details.");
  EXPECT_THAT(fixture.states.states(id),
              ElementsAre(MicrovmState::kPending, MicrovmState::kTerminating, MicrovmState::kTerminated));
  EXPECT_THAT(host.vms(), ElementsAre());
}

TEST_F(MicrovmsTest, RunHookThatTimesOutEndsTheVm) {
  image_with(ControlFixture::all_hooks());
  host.fail_hooks("run", ErrorKind::kDeadlineExceeded);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason,
            "Run lifecycle hook timed out after 5 seconds. Please check your hook endpoint and application logs for more "
            "details.");
}

TEST_F(MicrovmsTest, NoTrafficBeforeTheRunHookAgreed) {
  image_with(ControlFixture::all_hooks());
  host.hold(FakeHost::Call::kHook);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kHook));
  Request request(*fixture.microvms, id);
  EXPECT_FALSE(request.answered());
  EXPECT_EQ(state(id), MicrovmState::kPending);
  host.release(FakeHost::Call::kHook);
  EXPECT_EQ(request.wait(), "lease");
}

TEST_F(MicrovmsTest, LaunchThatTheHostHasNoMemoryForEndsWithTheReason) {
  image_with(std::nullopt);
  host.fail_next(FakeHost::Call::kLaunch, ErrorKind::kResourceExhausted);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason,
            "The host has not the capacity to launch the MicroVM: launch: scripted to fail.");
}

TEST_F(MicrovmsTest, SizeThatTheHostCannotHoldIsRefusedWithTheReason) {
  image_with(std::nullopt);
  host.set_cannot_hold("The MicroVM's peak of 8192 MiB is more than this host's memory.");
  const auto refused = fixture.microvms->run(kAccount, fixture.run_request(), "digest");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ServiceErrorKind::kInsufficientCapacity);
  EXPECT_EQ(refused.error().message, "The MicroVM's peak of 8192 MiB is more than this host's memory.");
}

TEST_F(MicrovmsTest, RunRefusesWhatTheSpecificationRefuses) {
  image_with(std::nullopt);
  const auto error_of = [&](const RunRequest& request) {
    const auto refused = fixture.microvms->run(kAccount, request, "digest");
    return refused ? "accepted" : refused.error().message;
  };
  RunRequest request = fixture.run_request();
  request.image_identifier = "demo";
  EXPECT_EQ(error_of(request), "Malformed ARN - doesn't start with 'arn:'");
  request.image_identifier = "arn:aws:lambda:us-east-1:000000000000:microvm-image:none";
  EXPECT_EQ(error_of(request),
            "No active version found for MicroVM image arn:aws:lambda:us-east-1:000000000000:microvm-image:none");
  request = fixture.run_request();
  request.image_version = "7";
  EXPECT_EQ(error_of(request),
            "No active version found for MicroVM image arn:aws:lambda:us-east-1:000000000000:microvm-image:demo and "
            "version 7.0");
  request = fixture.run_request();
  request.run_hook_payload = "x";
  EXPECT_EQ(error_of(request), "The run hook must be enabled in the MicroVM image to pass the run hook payload");
  request = fixture.run_request();
  request.ingress_network_connectors = {{"HTTP_INGRESS"}};
  EXPECT_EQ(error_of(request), "Malformed network connector ARN");
  request.ingress_network_connectors = {
      {"arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:NO_EGRESS"}};
  EXPECT_EQ(error_of(request),
            "Unrecognized managed network connector ARN: "
            "arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:NO_EGRESS");
}

TEST_F(MicrovmsTest, VersionMayBeWrittenWithoutItsMinor) {
  image_with(std::nullopt);
  RunRequest request = fixture.run_request();
  request.image_version = "1";
  EXPECT_EQ(fixture.run(request).image_version, "1.0");
}

TEST_F(MicrovmsTest, SameTokenAnswersTheSameVmAndAnotherBodyConflicts) {
  image_with(std::nullopt);
  RunRequest request = fixture.run_request();
  request.client_token = "token";
  const auto first = fixture.microvms->run(kAccount, request, "digest");
  ASSERT_TRUE(first);
  ASSERT_TRUE(reaches(first->microvm_id, MicrovmState::kRunning));
  const auto again = fixture.microvms->run(kAccount, request, "digest");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->microvm_id, first->microvm_id);
  EXPECT_EQ(again->state, MicrovmState::kPending) << "the original answer, not today's";
  EXPECT_EQ(again->started_at, first->started_at);
  const auto other = fixture.microvms->run(kAccount, request, "other digest");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ServiceErrorKind::kConflict);
  fixture.clock.advance(std::chrono::hours(25));
  const auto expired = fixture.microvms->run(kAccount, request, "other digest");
  ASSERT_TRUE(expired);
  EXPECT_NE(expired->microvm_id, first->microvm_id);
}

// ---- suspend and resume ----

TEST_F(MicrovmsTest, SuspendAndResumeGoThroughTheDocumentedStates) {
  const auto id = running_vm();
  suspend(id);
  EXPECT_TRUE(fixture.get(id).suspended_at);
  ASSERT_TRUE(fixture.microvms->resume(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kRunning, 2));
  EXPECT_THAT(fixture.states.states(id),
              ElementsAre(MicrovmState::kPending, MicrovmState::kRunning, MicrovmState::kSuspending,
                          MicrovmState::kSuspended, MicrovmState::kRunning));
  EXPECT_EQ(fixture.get(id).resumes, 1);
  EXPECT_FALSE(fixture.get(id).suspended_at);
}

TEST_F(MicrovmsTest, ReadAfterSuspendAndTerminateSeesThem) {
  const auto id = running_vm();
  host.hold(FakeHost::Call::kSuspend);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  EXPECT_EQ(state(id), MicrovmState::kSuspending);
  host.hold(FakeHost::Call::kTerminate);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  EXPECT_EQ(state(id), MicrovmState::kTerminating);
  host.release(FakeHost::Call::kTerminate);
  EXPECT_TRUE(reaches(id, MicrovmState::kTerminated));
}

TEST_F(MicrovmsTest, RepeatedSuspendAndResumeAreAccepted) {
  const auto id = running_vm();
  EXPECT_TRUE(fixture.microvms->resume(kAccount, id)) << "of a RUNNING one";
  suspend(id);
  EXPECT_TRUE(fixture.microvms->suspend(kAccount, id)) << "of a SUSPENDED one";
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 1);
  EXPECT_EQ(host.count(FakeHost::Call::kResume), 0);
}

TEST_F(MicrovmsTest, SuspendDuringTheLaunchHappensAfterIt) {
  image_with(std::nullopt);
  host.hold(FakeHost::Call::kLaunch);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  EXPECT_TRUE(fixture.microvms->suspend(kAccount, id));
  host.release(FakeHost::Call::kLaunch);
  EXPECT_TRUE(reaches(id, MicrovmState::kSuspended));
}

TEST_F(MicrovmsTest, ResumeDuringASuspensionHappensAfterIt) {
  const auto id = running_vm();
  host.hold(FakeHost::Call::kSuspend);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  EXPECT_TRUE(fixture.microvms->resume(kAccount, id));
  host.release(FakeHost::Call::kSuspend);
  EXPECT_TRUE(reaches(id, MicrovmState::kRunning, 2));
}

TEST_F(MicrovmsTest, StaysSuspendedWhileTheResumeHookRuns) {
  const auto id = running_vm(ControlFixture::all_hooks());
  suspend(id);
  host.hold(FakeHost::Call::kHook);
  ASSERT_TRUE(fixture.microvms->resume(kAccount, id));
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kHook, 3));  // run, suspend, resume
  EXPECT_EQ(host.hook_calls().back().path, "/aws/lambda-microvms/runtime/v1/resume");
  EXPECT_EQ(host.hook_calls().back().body, "");
  EXPECT_EQ(state(id), MicrovmState::kSuspended);
  host.release(FakeHost::Call::kHook);
  EXPECT_TRUE(reaches(id, MicrovmState::kRunning, 2));
}

TEST_F(MicrovmsTest, SuspendWaitsForRequestsUnderWayAndHoldsNewOnes) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  Request under_way(*fixture.microvms, id);
  ASSERT_EQ(under_way.wait(), "lease");
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  EXPECT_EQ(state(id), MicrovmState::kSuspending);
  Request held(*fixture.microvms, id);
  EXPECT_FALSE(held.answered());
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 0);
  under_way.finish();
  EXPECT_EQ(held.wait(), "lease") << "after the suspension it wakes the VM";
  EXPECT_FALSE(under_way.revoked());
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 1);
  EXPECT_EQ(host.count(FakeHost::Call::kResume), 1);
}

TEST_F(MicrovmsTest, LeaseThatIsNotGivenBackIsRevokedAfterTheDrainTime) {
  const auto id = running_vm();
  Request stream(*fixture.microvms, id);
  ASSERT_EQ(stream.wait(), "lease");
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  fixture.clock.advance(fixture.world->drain_timeout - milliseconds(1));
  EXPECT_FALSE(stream.revoked());
  fixture.clock.advance(milliseconds(1));
  ASSERT_TRUE(stream.wait_revoked());
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 0) << "its holder gets a moment to close";
  stream.finish();
  EXPECT_TRUE(reaches(id, MicrovmState::kSuspended));
}

TEST_F(MicrovmsTest, LeaseThatIsNeverGivenBackDoesNotStopASuspension) {
  const auto id = running_vm();
  Request stream(*fixture.microvms, id);
  ASSERT_EQ(stream.wait(), "lease");
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  fixture.clock.advance(fixture.world->drain_timeout);
  ASSERT_TRUE(stream.wait_revoked());
  fixture.clock.advance(seconds(2));
  EXPECT_TRUE(reaches(id, MicrovmState::kSuspended));
}

TEST_F(MicrovmsTest, AnyNumberOfRequestsWaitForOneResumeAndAllAreServed) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  suspend(id);
  host.hold(FakeHost::Call::kResume);
  std::vector<std::unique_ptr<Request>> requests;
  for (int i = 0; i < 500; ++i) {
    requests.push_back(std::make_unique<Request>(*fixture.microvms, id));
  }
  ASSERT_TRUE(host.wait_for(FakeHost::Call::kResume));
  host.release(FakeHost::Call::kResume);
  for (const auto& request : requests) {
    ASSERT_EQ(request->wait(), "lease");
  }
  EXPECT_EQ(host.count(FakeHost::Call::kResume), 1);
}

TEST_F(MicrovmsTest, RequestToASuspendedVmWithoutAutoResumeIsRefused) {
  const auto id = running_vm();
  suspend(id);
  Request request(*fixture.microvms, id);
  EXPECT_EQ(request.wait(), "refused");
  EXPECT_EQ(request.refusal(), EndpointRefusal::kSuspended);
}

TEST_F(MicrovmsTest, FailedResumeKeepsTheVmSuspendedAndTheNextRequestTriesAgain) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  suspend(id);
  host.fail_next(FakeHost::Call::kResume, ErrorKind::kInternal);
  Request refused(*fixture.microvms, id);
  EXPECT_EQ(refused.wait(), "refused");
  EXPECT_EQ(refused.refusal(), EndpointRefusal::kResumeFailed);
  EXPECT_EQ(state(id), MicrovmState::kSuspended);
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""), StartsWith("The MicroVM could not be resumed"));
  Request served(*fixture.microvms, id);
  EXPECT_EQ(served.wait(), "lease");
  EXPECT_EQ(fixture.get(id).state_reason, std::nullopt);
}

TEST_F(MicrovmsTest, ResumeIsTriedAgainWhenTheHostWasUnavailable) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  suspend(id);
  host.fail_next(FakeHost::Call::kResume, ErrorKind::kUnavailable, 2);
  Request served(*fixture.microvms, id);
  EXPECT_EQ(served.wait(), "lease");
}

TEST_F(MicrovmsTest, ResumeThatFindsTheStateLostEndsTheVm) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  suspend(id);
  host.fail_next(FakeHost::Call::kResume, ErrorKind::kDataLoss);
  Request request(*fixture.microvms, id);
  EXPECT_EQ(request.wait(), "refused");
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "The MicroVM's suspended state was lost and it cannot be resumed.");
}

TEST_F(MicrovmsTest, FailedResumeHookRefusesTheRequestAndPutsTheVmBackToSleep) {
  const auto id = running_vm(ControlFixture::all_hooks(), with_idle_policy(600, 600, true));
  suspend(id);
  host.answer_hooks("resume", 500);
  Request request(*fixture.microvms, id);
  EXPECT_EQ(request.wait(), "refused");
  EXPECT_EQ(request.refusal(), EndpointRefusal::kResumeFailed);
  EXPECT_EQ(state(id), MicrovmState::kSuspended);
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""), StartsWith("Resume lifecycle hook returned HTTP status 500."));
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 2);
  host.answer_hooks("resume", 200);
  Request served(*fixture.microvms, id);
  EXPECT_EQ(served.wait(), "lease");
}

TEST_F(MicrovmsTest, FailedSuspendHookLeavesTheVmRunning) {
  const auto id = running_vm(ControlFixture::all_hooks());
  host.answer_hooks("suspend", 500);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kRunning, 2));
  EXPECT_EQ(host.count(FakeHost::Call::kSuspend), 0);
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""), StartsWith("Suspend lifecycle hook returned HTTP status 500."));
  touch(id);
}

TEST_F(MicrovmsTest, FailedSuspendHookEndsTheVmWhereThatIsChosen) {
  fixture.world->suspend_hook_failure = SuspendHookFailure::kTerminate;
  const auto id = running_vm(ControlFixture::all_hooks());
  host.answer_hooks("suspend", 500);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""), StartsWith("Suspend lifecycle hook returned HTTP status 500."));
}

TEST_F(MicrovmsTest, FailedSuspensionLeavesTheVmRunningAndServesWhatWasHeld) {
  const auto id = running_vm();
  host.hold(FakeHost::Call::kSuspend);
  host.fail_next(FakeHost::Call::kSuspend, ErrorKind::kResourceExhausted);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  Request held(*fixture.microvms, id);
  host.release(FakeHost::Call::kSuspend);
  EXPECT_EQ(held.wait(), "lease");
  EXPECT_EQ(fixture.get(id).state_reason, "The host's disk is full: the MicroVM could not be suspended and runs on.");
}

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
    EXPECT_EQ(refused.error().message,
              "The MicroVM " + id + " has been terminated and its state cannot be changed.");
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
  EXPECT_EQ(ended.state_reason,
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
    fixture.clock.advance(seconds(1));
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

// ---- reading ----

TEST_F(MicrovmsTest, MissingVmAndThatOfAnotherAccountAreNotFound) {
  const auto id = running_vm();
  const auto missing = fixture.microvms->get(kAccount, "microvm-none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ServiceErrorKind::kResourceNotFound);
  EXPECT_EQ(missing.error().message, "MicroVM not found: microvm-none");
  EXPECT_EQ(fixture.microvms->get("111111111111", id).error().message, "MicroVM not found: " + id);
  EXPECT_EQ(fixture.microvms->terminate("111111111111", id).error().message, "MicroVM not found: " + id);
  EXPECT_EQ(state(id), MicrovmState::kRunning);
}

TEST_F(MicrovmsTest, ListShowsTerminatedVmsUntilTheirRetentionEnds) {
  const auto first = running_vm();
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, first));
  ASSERT_TRUE(reaches(first, MicrovmState::kTerminated));
  fixture.start();
  const auto ids = [&] {
    std::vector<std::string> found;
    const auto page = fixture.microvms->list(kAccount, {}, 10, std::nullopt);
    for (const Microvm& microvm : page->items) {
      found.push_back(microvm.microvm_id);
    }
    return found;
  };
  EXPECT_THAT(ids(), ElementsAre(first));
  while (!ids().empty()) {
    fixture.clock.advance(std::chrono::hours(1));
  }
  EXPECT_FALSE(fixture.microvms->get(kAccount, first));
}

TEST_F(MicrovmsTest, ListPagesAndFilters) {
  running_vm();
  another_vm();
  another_vm();
  const auto page = fixture.microvms->list(kAccount, {}, 2, std::nullopt);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->items.size(), 2U);
  ASSERT_TRUE(page->next);
  const auto rest = fixture.microvms->list(kAccount, {}, 2, page->next);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->items.size(), 1U);
  EXPECT_FALSE(rest->next);
  EXPECT_EQ(fixture.microvms->list(kAccount, {ControlFixture::kImageArn, "1"}, 9, std::nullopt)->items.size(), 3U);
  EXPECT_EQ(fixture.microvms->list(kAccount, {ControlFixture::kImageArn, "2"}, 9, std::nullopt)->items.size(), 0U);
  EXPECT_EQ(fixture.microvms->list(kAccount, {}, 2, "nonsense").error().message,
            "The nextToken is not one of this listing");
}

TEST_F(MicrovmsTest, EndpointIsFoundWhileTheVmLivesAndAfterwards) {
  const auto id = running_vm();
  const auto endpoint_id = fixture.get(id).endpoint_id;
  EXPECT_EQ(fixture.microvms->find_endpoint(endpoint_id)->microvm_id, id);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.microvms->find_endpoint(endpoint_id)->state, MicrovmState::kTerminated);
  EXPECT_FALSE(fixture.microvms->find_endpoint("none"));
}

TEST_F(MicrovmsTest, NoIngressMeansNoLease) {
  RunRequest request;
  request.ingress_network_connectors = {
      {"arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:NO_INGRESS"}};
  const auto id = running_vm(std::nullopt, request);
  Request refused(*fixture.microvms, id);
  EXPECT_EQ(refused.refusal(), EndpointRefusal::kNoIngress);
}

TEST_F(MicrovmsTest, OutputIsTheLast64KiB) {
  const auto id = running_vm();
  host.print(id, std::string(200'000, 'a'));
  host.print(id, "the end\n");
  const auto output = fixture.microvms->output(kAccount, id);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->size(), 65'536U);
  EXPECT_THAT(*output, testing::EndsWith("the end\n"));
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
