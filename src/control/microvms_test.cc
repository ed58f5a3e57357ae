// SPDX-License-Identifier: Apache-2.0

#include "control/microvms_test.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

namespace dormouse::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::StartsWith;

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
  EXPECT_EQ(
      fixture.get(id).state_reason,
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
  EXPECT_EQ(
      fixture.get(id).state_reason,
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

TEST_F(MicrovmsTest, LaunchOfAnImageThatDoesNotFitTheHostEndsWithTheReason) {
  image_with(std::nullopt);
  host.fail_next(FakeHost::Call::kLaunch, ErrorKind::kConflict);
  const auto id = fixture.run(fixture.run_request()).microvm_id;
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_EQ(fixture.get(id).state_reason, "The image version does not fit this host: launch: scripted to fail.");
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

TEST_F(MicrovmsTest, TokenOfATerminatedVmAnswersItUntilTheRecordIsSwept) {
  image_with(std::nullopt);
  fixture.world->terminated_retention = std::chrono::hours(1);  // the token itself would live for 24
  RunRequest request = fixture.run_request();
  request.client_token = "token";
  const auto first = fixture.microvms->run(kAccount, request, "digest");
  ASSERT_TRUE(first);
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, first->microvm_id));
  ASSERT_TRUE(reaches(first->microvm_id, MicrovmState::kTerminated));
  const auto again = fixture.microvms->run(kAccount, request, "digest");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->microvm_id, first->microvm_id) << "repeating a call launches nothing";
  EXPECT_EQ(again->state, MicrovmState::kPending) << "the original answer, not today's";
  EXPECT_EQ(state(first->microvm_id), MicrovmState::kTerminated);
  fixture.start();
  fixture.clock.advance(std::chrono::hours(2));
  while (fixture.microvms->get(kAccount, first->microvm_id)) {
    std::this_thread::yield();
  }
  const auto later = fixture.microvms->run(kAccount, request, "digest");
  ASSERT_TRUE(later);
  EXPECT_NE(later->microvm_id, first->microvm_id);
}

// ---- suspend and resume ----

TEST_F(MicrovmsTest, SuspendAndResumeGoThroughTheDocumentedStates) {
  const auto id = running_vm();
  suspend(id);
  EXPECT_TRUE(fixture.get(id).suspended_at);
  ASSERT_TRUE(fixture.microvms->resume(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kRunning, 2));
  EXPECT_THAT(fixture.states.states(id),
              ElementsAre(MicrovmState::kPending,
                          MicrovmState::kRunning,
                          MicrovmState::kSuspending,
                          MicrovmState::kSuspended,
                          MicrovmState::kRunning));
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

TEST_F(MicrovmsTest, ResumeOnAHostThatTheVmDoesNotFitLeavesItAsleepWithTheReason) {
  const auto id = running_vm(std::nullopt, with_idle_policy(600, 600, true));
  suspend(id);
  host.fail_next(FakeHost::Call::kResume, ErrorKind::kConflict);
  Request request(*fixture.microvms, id);
  EXPECT_EQ(request.wait(), "refused");
  ASSERT_TRUE(reaches(id, MicrovmState::kSuspended));
  EXPECT_EQ(fixture.get(id).state_reason,
            "The MicroVM does not fit this host as it is now: resume: scripted to fail. It is still suspended.");
  Request served(*fixture.microvms, id);
  EXPECT_EQ(served.wait(), "lease");
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
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""),
              StartsWith("Suspend lifecycle hook returned HTTP status 500."));
  touch(id);
}

TEST_F(MicrovmsTest, FailedSuspendHookEndsTheVmWhereThatIsChosen) {
  fixture.world->suspend_hook_failure = SuspendHookFailure::kTerminate;
  const auto id = running_vm(ControlFixture::all_hooks());
  host.answer_hooks("suspend", 500);
  ASSERT_TRUE(fixture.microvms->suspend(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  EXPECT_THAT(fixture.get(id).state_reason.value_or(""),
              StartsWith("Suspend lifecycle hook returned HTTP status 500."));
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

TEST_F(MicrovmsTest, OutputsEndIsKeptAfterATermination) {
  const auto id = running_vm();
  host.print(id, std::string(200'000, 'a'));
  host.print(id, "the \xFF end\n");
  ASSERT_TRUE(fixture.microvms->terminate(kAccount, id));
  ASSERT_TRUE(reaches(id, MicrovmState::kTerminated));
  const auto output = fixture.microvms->output(kAccount, id);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->size(), 4096U);
  EXPECT_THAT(*output, testing::EndsWith("the ? end\n"));
}

}  // namespace
}  // namespace dormouse::control
