// SPDX-License-Identifier: Apache-2.0
//
// Whatever is done to a VM in whatever order, while its host and its application fail as they like: no transition that
// lifecycle.h does not know, no two host calls at once and none in the wrong state (the fake host notes both), no request
// that is never answered or answered twice, and an end that leaves nothing.

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "control/lifecycle.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using test::ControlFixture;
using test::FakeHost;
using test::Request;

constexpr const char* kAccount = ControlFixture::kAccount;

enum class Step {
  kSuspend,
  kResume,
  kRequest,
  kFinish,
  kWait10s,
  kWait60s,
  kFailSuspend,
  kFailResume,
  kFailResumeForNow,
  kFailSuspendHook,
  kFailResumeHook,
  kMendHooks,
  kHoldHost,
  kReleaseHost,
  kHoldHooks,
  kReleaseHooks,
  kSettle,
  kExit,
  kTerminate,
};

// Failures are rarer than what should go well, and ends are rare, so that something happens before them.
rc::Gen<Step> any_step() {
  const auto step = [](Step value) { return rc::gen::just(value); };
  return rc::gen::weightedOneOf<Step>({
      {12, step(Step::kSuspend)},        {8, step(Step::kResume)},         {16, step(Step::kRequest)},
      {16, step(Step::kFinish)},         {4, step(Step::kWait10s)},        {8, step(Step::kWait60s)},
      {2, step(Step::kFailSuspend)},     {2, step(Step::kFailResume)},     {2, step(Step::kFailResumeForNow)},
      {1, step(Step::kFailSuspendHook)}, {1, step(Step::kFailResumeHook)}, {8, step(Step::kMendHooks)},
      {4, step(Step::kHoldHost)},        {12, step(Step::kReleaseHost)},   {3, step(Step::kHoldHooks)},
      {10, step(Step::kReleaseHooks)},   {24, step(Step::kSettle)},        {1, step(Step::kExit)},
      {1, step(Step::kTerminate)},
  });
}

std::ostream& operator<<(std::ostream& out, Step step) { return out << "step " << static_cast<int>(step); }

bool is_edge(MicrovmState from, MicrovmState to) {
  for (const MicrovmEvent event : kAllMicrovmEvents) {
    if (next_state(from, event) == to) {
      return true;
    }
  }
  return false;
}

class Story {
 public:
  Story() {
    auto specification = ControlFixture::specification();
    specification.hooks = ControlFixture::all_hooks();
    fixture_.create_image(specification);
    RunRequest request = fixture_.run_request();
    request.idle_policy = IdlePolicy{60, 3600, true};
    id_ = fixture_.run(request).microvm_id;
  }

  void tell(Step step) {
    FakeHost& host = fixture_.host;
    switch (step) {
      case Step::kSuspend: check_answer(fixture_.microvms->suspend(kAccount, id_)); break;
      case Step::kResume: check_answer(fixture_.microvms->resume(kAccount, id_)); break;
      case Step::kRequest: requests_.push_back(std::make_unique<Request>(*fixture_.microvms, id_)); break;
      case Step::kFinish: finish_requests(); break;
      case Step::kWait10s: fixture_.clock.advance(std::chrono::seconds(10)); break;
      case Step::kWait60s: fixture_.clock.advance(std::chrono::seconds(60)); break;
      case Step::kFailSuspend: host.fail_next(FakeHost::Call::kSuspend, ErrorKind::kInternal); break;
      case Step::kFailResume: host.fail_next(FakeHost::Call::kResume, ErrorKind::kInternal); break;
      case Step::kFailResumeForNow: host.fail_next(FakeHost::Call::kResume, ErrorKind::kUnavailable); break;
      case Step::kFailSuspendHook: host.answer_hooks("suspend", 500); break;
      case Step::kFailResumeHook: host.fail_hooks("resume", ErrorKind::kDeadlineExceeded); break;
      case Step::kMendHooks:
        host.answer_hooks("suspend", 200);
        host.answer_hooks("resume", 200);
        break;
      case Step::kHoldHost:
        host.hold(FakeHost::Call::kLaunch);
        host.hold(FakeHost::Call::kSuspend);
        host.hold(FakeHost::Call::kResume);
        break;
      case Step::kReleaseHost: release_host(); break;
      case Step::kHoldHooks: host.hold(FakeHost::Call::kHook); break;
      case Step::kReleaseHooks: host.release(FakeHost::Call::kHook); break;
      case Step::kSettle: settle(); break;
      case Step::kExit: host.end(id_, host::VmExit()); break;
      case Step::kTerminate:
        RC_ASSERT(fixture_.microvms->terminate(kAccount, id_).has_value());
        terminated_ = true;
        break;
    }
  }

  void end() {
    release_host();
    fixture_.host.release(FakeHost::Call::kHook);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!all_answered()) {
      RC_ASSERT(std::chrono::steady_clock::now() < deadline);
      finish_requests();
      fixture_.clock.advance(std::chrono::milliseconds(100));
      std::this_thread::yield();
    }
    for (const auto& request : requests_) {
      RC_ASSERT(request->wait() != "answered twice");
    }
    RC_ASSERT(fixture_.microvms->terminate(kAccount, id_).has_value());
    RC_ASSERT(fixture_.states.wait_for(id_, MicrovmState::kTerminated));
    RC_ASSERT(fixture_.host.vms().empty());
    RC_ASSERT(fixture_.host.broken_rules() == std::vector<std::string>());
    const auto states = fixture_.states.states(id_);
    RC_ASSERT(states.front() == MicrovmState::kPending);
    for (std::size_t i = 1; i < states.size(); ++i) {
      RC_ASSERT(is_edge(states[i - 1], states[i]));
    }
    RC_ASSERT(fixture_.get(id_).state == MicrovmState::kTerminated);
    RC_ASSERT(fixture_.get(id_).state_reason.has_value());
  }

 private:
  void check_answer(const Answer<void>& answer) {
    if (terminated_) {
      RC_ASSERT(!answer);
    }
    if (!answer) {
      RC_ASSERT(answer.error().message ==
                "The MicroVM " + id_ + " has been terminated and its state cannot be changed.");
    }
  }
  // Until nothing is under way, unless something is held.
  void settle() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    const auto changing = [this] {
      const MicrovmState state = fixture_.get(id_).state;
      return state == MicrovmState::kPending || state == MicrovmState::kSuspending ||
             state == MicrovmState::kTerminating;
    };
    while (changing() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  }
  void release_host() {
    for (const auto call : {FakeHost::Call::kLaunch, FakeHost::Call::kSuspend, FakeHost::Call::kResume}) {
      fixture_.host.release(call);
    }
  }
  void finish_requests() {
    for (const auto& request : requests_) {
      request->finish();
    }
  }
  bool all_answered() const {
    for (const auto& request : requests_) {
      if (!request->answered()) {
        return false;
      }
    }
    return true;
  }

  ControlFixture fixture_;
  std::string id_;
  bool terminated_ = false;
  std::vector<std::unique_ptr<Request>> requests_;
};

RC_GTEST_PROP(MicrovmsPropertyTest, AnyStoryIsLegalAndEnds, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(50, any_step());
  Story story;
  for (const Step step : steps) {
    story.tell(step);
  }
  story.end();
}

}  // namespace
}  // namespace dormouse::control
