// SPDX-License-Identifier: Apache-2.0

#include "snapshot/manifest.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "snapshot/sealed_json.h"

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
  manifest.checksums = {1, 2, 3, 4, 0xffffffffffffffffULL};
  return manifest;
}

TEST(SnapshotManifestTest, DecodesWhatItEncoded) {
  const auto decoded = decode_snapshot(encode(example()));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(encode(*decoded), encode(example()));
}

TEST(SnapshotManifestTest, AnotherFormatIsRefusedByNumber) {
  const auto decoded = decode_snapshot(R"({"format":1})");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message(), "the snapshot's manifest has format 1: this version reads format 2");
}

TEST(SnapshotManifestTest, AMissingMemberIsDataLoss) {
  const auto decoded = decode_snapshot(seal({{"format", 2}}));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind(), ErrorKind::kDataLoss);
}

TEST(SnapshotManifestTest, AnyChangedByteIsNoticed) {
  const std::string text = encode(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(decode_snapshot(other)) << other;
  }
  EXPECT_FALSE(decode_snapshot(text.substr(0, text.size() / 2)));
  EXPECT_FALSE(decode_snapshot(""));
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
