// SPDX-License-Identifier: Apache-2.0

#include "vmm/machine.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::vmm {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

MachineModel model(Acceleration acceleration) {
  return MachineModel{acceleration, 2048, 1, 2'100'000, {"root", "application"}, processor_of(acceleration)};
}

MachineDescriptors descriptors(bool shared) { return MachineDescriptors{4, 5, -1, 6, shared}; }

std::vector<Disk> disks() { return {Disk{"root", true, 10, -1}, Disk{"application", false, 11, 12}}; }

TEST(MachineTest, TcgGuestsGoTicklessOnACpuThatIsCheapToEmulate) {
  const auto arguments = qemu_arguments(model(Acceleration::kTcg), descriptors(false), disks(), nullptr);
  EXPECT_THAT(arguments, Contains("Nehalem,+arat"));
}

TEST(MachineTest, AGuestHasTheProcessorThatItWasMadeWith) {
  MachineModel made_before = model(Acceleration::kTcg);
  made_before.processor = "Westmere";
  EXPECT_THAT(qemu_arguments(made_before, descriptors(false), disks(), nullptr), Contains("Westmere"));
}

TEST(MachineTest, ACloneWaitsForItsStateAndHasNoKernel) {
  const auto arguments = qemu_arguments(model(Acceleration::kTcg), descriptors(false), disks(), nullptr);
  EXPECT_THAT(arguments, Contains("defer"));
  EXPECT_THAT(arguments, Not(Contains("-kernel")));
  EXPECT_THAT(arguments, Contains(HasSubstr("share=off")));
}

TEST(MachineTest, VcpusAlwaysStandStillAtFirst) {
  const BootImage boot{"/k", "/i", "quiet"};
  for (const BootImage* const image : {static_cast<const BootImage*>(nullptr), &boot}) {
    EXPECT_THAT(qemu_arguments(model(Acceleration::kTcg), descriptors(true), disks(), image), Contains("-S"));
  }
}

TEST(MachineTest, TheSeccompSandboxIsOn) {
  EXPECT_THAT(qemu_arguments(model(Acceleration::kKvm), descriptors(false), disks(), nullptr),
              Contains("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"));
}

TEST(MachineTest, TheBaseUnderAnOverlayIsReadOnlyAndErrorsAreTheGuests) {
  const auto arguments = qemu_arguments(model(Acceleration::kTcg), descriptors(false), disks(), nullptr);
  EXPECT_THAT(arguments,
              Contains(AllOf(HasSubstr("node-name=base-application,read-only=on"), HasSubstr("/dev/fdset/3"))));
  EXPECT_THAT(arguments, Contains(AllOf(HasSubstr("driver=qcow2"), HasSubstr("backing=base-application"))));
  EXPECT_THAT(arguments, Contains(AllOf(HasSubstr("serial=application"), HasSubstr("werror=report,rerror=report"))));
}

TEST(MachineTest, NoFileIsNamedByPath) {
  const auto arguments = qemu_arguments(model(Acceleration::kTcg), descriptors(false), disks(), nullptr);
  for (const std::string& argument : arguments) {
    const std::size_t at = argument.find("path=/");
    if (at != std::string::npos) {
      EXPECT_THAT(argument, HasSubstr("path=/proc/self/fd/"));
    }
  }
}

TEST(MachineTest, AnUnknownAccelerationIsRefusedByName) {
  const auto acceleration = acceleration_from("xen");
  ASSERT_FALSE(acceleration);
  EXPECT_EQ(acceleration.error().message(), "acceleration 'xen': must be kvm or tcg");
}

}  // namespace
}  // namespace dormouse::vmm
