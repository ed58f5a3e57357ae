// SPDX-License-Identifier: Apache-2.0

#include "snapshot/manifest.h"

#include <gtest/gtest.h>

namespace dormouse::snapshot {
namespace {

SnapshotManifest example() {
  SnapshotManifest manifest;
  manifest.model =
      vmm::MachineModel{vmm::Acceleration::kTcg, 2048, 1, 2'100'000, {"root", "containers", "application"}};
  manifest.base_key = std::string(64, 'a');
  manifest.qemu_version = "7.2.17";
  manifest.memory_bytes = 123;
  manifest.state_bytes = 45;
  manifest.disk_bytes = 678;
  manifest.state_checksum = 0xffffffffffffffffULL;
  return manifest;
}

TEST(SnapshotManifestTest, DecodesWhatItEncoded) {
  const auto decoded = decode_snapshot(encode(example()));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(encode(*decoded), encode(example()));
}

TEST(SnapshotManifestTest, AnotherFormatIsRefusedByNumber) {
  const auto decoded = decode_snapshot(R"({"format":2})");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message(), "snapshot format 2: this version reads format 1");
}

TEST(SnapshotManifestTest, AMissingMemberIsDataLoss) {
  const auto decoded = decode_snapshot(R"({"format":1})");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind(), ErrorKind::kDataLoss);
}

TEST(SnapshotManifestTest, FitsTheHostThatMadeIt) {
  EXPECT_TRUE(check_fits(example(), vmm::Acceleration::kTcg, "7.2.17", 2'100'500));
}

TEST(SnapshotManifestTest, ACounterOfAnotherRateIsRefusedUnderTcg) {
  const auto status = check_fits(example(), vmm::Acceleration::kTcg, "7.2.17", 2'400'000);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "the snapshot was made on a host whose time stamp counter runs at 2100000 kHz, this one's runs at 2400000: "
            "the guest's clock would run wrong; build the image again");
}

TEST(SnapshotManifestTest, AccelerationAndQemuMustBeThoseThatMadeIt) {
  EXPECT_FALSE(check_fits(example(), vmm::Acceleration::kKvm, "7.2.17", 2'100'000));
  EXPECT_FALSE(check_fits(example(), vmm::Acceleration::kTcg, "8.2.0", 2'100'000));
}

}  // namespace
}  // namespace dormouse::snapshot
