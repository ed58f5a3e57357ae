// SPDX-License-Identifier: Apache-2.0

#include "host/guest.h"

#include <string>

#include <gtest/gtest.h>

#include "protocol/requests.h"

namespace dormouse::host {
namespace {

TEST(IdentityTest, IsThatOfTheIdOrRandom) {
  const Identity vm = identity_of("microvm-0badc0de-0000-4000-8000-0badc0de0bad");
  EXPECT_EQ(vm.hostname, "microvm-0badc0de-0000-4000-8000-0badc0de0bad");
  EXPECT_EQ(vm.machine_id, "0badc0de0000400080000badc0de0bad");
  const std::string build = "build-0badc0de-0000-4000-8000-0badc0de0bad-validate";
  const Identity one = identity_of(build);
  EXPECT_TRUE(protocol::is_hostname(one.hostname));
  EXPECT_TRUE(protocol::is_machine_id(one.machine_id)) << one.machine_id;
  EXPECT_NE(one.machine_id, identity_of(build).machine_id);
}

}  // namespace
}  // namespace dormouse::host
