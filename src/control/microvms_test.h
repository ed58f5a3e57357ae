// SPDX-License-Identifier: Apache-2.0
//
// What the tests of Microvms share: a fixture whose helpers read as a story.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/microvms.h"
#include "support/control_fixture.h"

namespace dormouse::control {

using test::ControlFixture;
using test::FakeHost;
using test::Request;

inline constexpr const char* kAccount = ControlFixture::kAccount;

class MicrovmsTest : public testing::Test {
 protected:
  ~MicrovmsTest() override { EXPECT_THAT(fixture.host.broken_rules(), testing::IsEmpty()); }

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

}  // namespace dormouse::control
