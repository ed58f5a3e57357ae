// SPDX-License-Identifier: Apache-2.0

#include "cli/checks.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/record.h"

namespace dormouse::cli {
namespace {

TEST(ChecksTest, MissingCapabilitiesAreNamed) {
  EXPECT_THAT(missing_capabilities(0x1ffffffffffULL), testing::IsEmpty());
  EXPECT_THAT(missing_capabilities(0x1ffffffffffULL & ~(1ULL << 12U)), testing::ElementsAre("CAP_NET_ADMIN"));
  EXPECT_EQ(missing_capabilities(0).size(), 8U);
}

TEST(ChecksTest, QemuTellsItsVersion) {
  EXPECT_EQ(qemu_version("QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg-7)"), (std::pair{7, 2}));
  EXPECT_EQ(qemu_version("QEMU emulator version 10.0.2"), (std::pair{10, 0}));
  EXPECT_EQ(qemu_version("something else"), (std::pair{0, 0}));
}

TEST(RecordTest, AbsentAndNullMembersAreEmpty) {
  const boost::json::value record = boost::json::parse(R"({"a": null, "n": 1.5, "t": "x", "b": true})");
  EXPECT_EQ(text_of(record, "a"), "");
  EXPECT_EQ(text_of(record, "z"), "");
  EXPECT_EQ(text_of(record, "t"), "x");
  EXPECT_EQ(text_of(record, "b"), "true");
  EXPECT_EQ(number_of(record, "n"), 1.5);
  EXPECT_EQ(number_of(record, "t"), 0);
}

TEST(RecordTest, NameIsTheLastPartOfAnArn) {
  EXPECT_EQ(name_of_arn("arn:aws:lambda:r:000000000000:microvm-image:demo"), "demo");
  EXPECT_EQ(name_of_arn("demo"), "demo");
}

}  // namespace
}  // namespace dormouse::cli
