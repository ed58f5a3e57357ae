// SPDX-License-Identifier: Apache-2.0

#include "control/log_destinations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

using host::VmExit;
using logs::Destination;
using test::ControlFixture;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kDefaultGroup = "/aws/lambda-microvms/demo";

Microvm microvm() {
  Microvm record;
  record.account = "000000000000";
  record.microvm_id = "microvm-1";
  record.image_arn = ControlFixture::kImageArn;
  record.image_version = "2.0";
  record.started_at = WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 2));
  return record;
}

TEST(LogDestinationsTest, DefaultsAreThoseOfTheService) {
  EXPECT_EQ(runtime_logs(microvm(), std::nullopt),
            (Destination{"000000000000", kDefaultGroup, "2026/11/02[2.0]microvm-1"}));
  ImageVersion version;
  version.account = "000000000000";
  version.image_arn = ControlFixture::kImageArn;
  version.version = "2.0";
  EXPECT_EQ(build_logs(version, "b", "container"),
            (Destination{"000000000000", kDefaultGroup, "build/2.0/b/container"}));
}

TEST(LogDestinationsTest, GroupAndStreamCanBeSetEachByItself) {
  EXPECT_EQ(runtime_logs(microvm(), Logging{false, "g", std::nullopt}),
            (Destination{"000000000000", "g", "2026/11/02[2.0]microvm-1"}));
  EXPECT_EQ(runtime_logs(microvm(), Logging{false, std::nullopt, "s"}),
            (Destination{"000000000000", kDefaultGroup, "s"}));
}

TEST(LogDestinationsTest, DisabledIsNothingAndSoIsACloudWatchWithoutNames) {
  EXPECT_EQ(runtime_logs(microvm(), Logging{true, std::nullopt, std::nullopt}), std::nullopt);
  EXPECT_EQ(runtime_logs(microvm(), Logging{}), std::nullopt);
}

TEST(LogDestinationsTest, AForkWritesToItsParentsGroup) {
  Microvm parent = microvm();
  Microvm child = microvm();
  child.microvm_id = "microvm-2";
  EXPECT_EQ(child_logs(parent, child), std::nullopt) << "as its parent";
  parent.log_group = "g";
  parent.log_stream = "2026/11/01[2.0]microvm-1";
  EXPECT_EQ(child_logs(parent, child), (Destination{"000000000000", "g", "2026/11/02[2.0]microvm-2"}));
  parent.log_stream = "chosen";
  EXPECT_EQ(child_logs(parent, child), (Destination{"000000000000", "g", "chosen"}));
}

class LoggedControlTest : public testing::Test {
 protected:
  LoggedControlTest() { control.start(); }
  std::vector<std::string> logged(const Microvm& vm) { return control.logged(*vm.log_group, *vm.log_stream); }

  ControlFixture control;
};

TEST_F(LoggedControlTest, WhatAVmPrintsIsKeptAfterItsEnd) {
  control.create_image();
  const Microvm vm = control.run_to_running(control.run_request());
  control.host.print(vm.microvm_id, "one\ntwo");
  control.host.end(vm.microvm_id, VmExit{});
  ASSERT_TRUE(control.states.wait_for(vm.microvm_id, MicrovmState::kTerminated));
  for (int tries = 0; logged(vm).size() < 2 && tries < 1'000; ++tries) {
  }
  EXPECT_THAT(logged(vm), ElementsAre("one", "two"));
  EXPECT_THAT(*control.log_store->sources(), IsEmpty());
}

TEST_F(LoggedControlTest, WhatAVmPrintedIsThereOnceAfterARestartOfTheDaemon) {
  control.create_image();
  const Microvm vm = control.run_to_running(control.run_request());
  control.host.print(vm.microvm_id, "one\ntw");
  control.restart();
  control.start();
  control.host.tell_again(vm.microvm_id);
  control.host.print(vm.microvm_id, "o\nthree\n");
  EXPECT_THAT(logged(vm), ElementsAre("one", "two", "three"));
}

TEST_F(LoggedControlTest, DisabledLoggingKeepsNothing) {
  ImageSpecification specification = ControlFixture::specification();
  specification.logging = Logging{true, std::nullopt, std::nullopt};
  control.create_image(specification);
  RunRequest request = control.run_request();
  request.logging = Logging{true, std::nullopt, std::nullopt};
  const Microvm vm = control.run_to_running(request);
  control.host.print(vm.microvm_id, "one\n");
  ASSERT_TRUE(control.log_writer->flush());
  EXPECT_EQ(vm.log_group, std::nullopt);
  EXPECT_THAT(control.log_store->list_groups(ControlFixture::kAccount, {}, "", 50)->items, IsEmpty());
  EXPECT_EQ(*control.microvms->output(ControlFixture::kAccount, vm.microvm_id), "one\n") << "for its description";
}

TEST_F(LoggedControlTest, ARunDoesNotInheritTheImagesLogging) {
  ImageSpecification specification = ControlFixture::specification();
  specification.logging = Logging{false, "builds", std::nullopt};
  control.create_image(specification);
  const Microvm vm = control.run_to_running(control.run_request());
  EXPECT_EQ(vm.log_group, kDefaultGroup);
}

TEST_F(LoggedControlTest, ABuildHasAStreamForItsContainer) {
  control.host.set_build_output("STEP 1\nSTEP 2");
  control.create_image();
  const auto builds = control.images->list_builds(ControlFixture::kAccount, ControlFixture::kImageArn, "1.0", 10, {});
  ASSERT_TRUE(builds);
  EXPECT_THAT(control.logged(kDefaultGroup, "build/1.0/" + builds->items.at(0).build_id + "/container"),
              ElementsAre("STEP 1", "STEP 2", "The build succeeded."));
}

TEST_F(LoggedControlTest, OutputThatIsToldTwiceIsDescribedOnce) {
  control.create_image();
  const Microvm vm = control.run_to_running(control.run_request());
  control.host.print(vm.microvm_id, "one\ntw");
  ASSERT_TRUE(control.log_writer->flush());
  control.host.tell_again(vm.microvm_id);
  EXPECT_EQ(*control.microvms->output(ControlFixture::kAccount, vm.microvm_id), "one\ntw");
}

}  // namespace
}  // namespace dormouse::control
