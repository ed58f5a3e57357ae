// SPDX-License-Identifier: Apache-2.0

#include "snapshot/manifest.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "snapshot/sealed_json.h"

namespace dormouse::snapshot {
namespace {

SnapshotManifest example() {
  SnapshotManifest manifest;
  manifest.engine = std::string(64, 'e');
  manifest.machine_type = vmm::kMachineType;
  manifest.model = vmm::MachineModel{
      vmm::Acceleration::kTcg, 2048, 1, 2'100'000, {"root", "containers", "application"}, "Nehalem,+arat"};
  manifest.kernel_sha256 = std::string(64, 'c');
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

TEST(SnapshotManifestTest, TheRunHooksPortIsThereOnlyWhereThereIsOne) {
  SnapshotManifest manifest = example();
  EXPECT_EQ(decode_snapshot(encode(manifest)).value().run_hook_port, std::nullopt);
  manifest.run_hook_port = 9000;
  EXPECT_EQ(decode_snapshot(encode(manifest)).value().run_hook_port, 9000);
}

TEST(SnapshotManifestTest, AnotherFormatIsRefusedByNumber) {
  const auto decoded = decode_snapshot(seal({{"format", 4}}));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(decoded.error().message(), "the snapshot's manifest has format 4: this version reads formats 2 to 3");
}

TEST(SnapshotManifestTest, AMissingMemberIsDataLoss) {
  const auto decoded = decode_snapshot(seal({{"format", 3}}));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind(), ErrorKind::kDataLoss);
}

TEST(SnapshotManifestTest, AnyChangedBitIsDataLoss) {
  const std::string text = encode(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      const auto decoded = decode_snapshot(other);
      ASSERT_FALSE(decoded) << other;
      EXPECT_EQ(decoded.error().kind(), ErrorKind::kDataLoss) << other;
    }
  }
  EXPECT_FALSE(decode_snapshot(text.substr(0, text.size() / 2)));
  EXPECT_FALSE(decode_snapshot(""));
}

// As a version before engines were kept wrote it.
TEST(SnapshotManifestTest, OneOfFormatTwoNamesNoEngineAndHasTheMachineOfItsTime) {
  const auto decoded = decode_snapshot(
      seal({{"format", 2},
            {"machine",
             {{"acceleration", "tcg"},
              {"memory_mib", 512},
              {"vcpus", 1},
              {"tsc_khz", 2'100'000},
              {"disks", {"root", "application"}}}},
            {"base_key", "b"},
            {"qemu_version", "7.2.17"},
            {"all_capabilities", false},
            {"memory_bytes", 1},
            {"state_bytes", 2},
            {"disk_bytes", 3},
            {"checksums", {{"memory", 1}, {"state", 2}, {"disk", 3}, {"root", 4}, {"containers", 5}}}}));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->engine, "");
  EXPECT_EQ(decoded->qemu_version, "7.2.17");
  EXPECT_EQ(decoded->machine_type, "microvm-1");
  EXPECT_EQ(decoded->model.processor, "Nehalem,+arat");
  EXPECT_EQ(decoded->agent_protocol, 1U);
}

Platform platform() { return {vmm::Acceleration::kTcg, 2'100'500, {"GenuineIntel", "", {"fpu", "sse4_2"}}, {1, 1}}; }

// Why the snapshot is refused.
std::string refusal(const SnapshotManifest& manifest, const Platform& host) {
  const Status fits = check_fits(manifest, host);
  return fits ? "" : fits.error().message();
}

TEST(SnapshotManifestTest, FitsTheHostThatMadeIt) { EXPECT_EQ(refusal(example(), platform()), ""); }

TEST(SnapshotManifestTest, ACounterOfAnotherRateIsRefusedUnderTcg) {
  Platform host = platform();
  host.tsc_khz = 2'400'000;
  EXPECT_EQ(refusal(example(), host),
            "the snapshot was made on a host whose time stamp counter runs at 2100000 kHz, this one's runs at 2400000: "
            "the guest's clock would run wrong; build the image again");
}

TEST(SnapshotManifestTest, AnotherAccelerationIsRefused) {
  Platform host = platform();
  host.acceleration = vmm::Acceleration::kKvm;
  EXPECT_EQ(refusal(example(), host), "the snapshot was made with tcg, and this host runs kvm: build the image again");
}

TEST(SnapshotManifestTest, AnotherMachineIsRefused) {
  SnapshotManifest manifest = example();
  manifest.machine_type = "microvm-9";
  EXPECT_EQ(refusal(manifest, platform()),
            "the snapshot is of a machine 'microvm-9', and this version runs 'microvm-1': build the image again");
}

TEST(SnapshotManifestTest, AnAgentOfAnEarlierProtocolFitsAsLongAsItIsSpoken) {
  SnapshotManifest manifest = example();
  Platform host = platform();
  host.agent_protocols = {2, 4};
  for (const std::uint64_t spoken : {2U, 3U, 4U}) {
    manifest.agent_protocol = spoken;
    EXPECT_EQ(refusal(manifest, host), "") << spoken;
  }
  manifest.agent_protocol = 1;
  EXPECT_EQ(
      refusal(manifest, host),
      "the snapshot's agent speaks version 1 of the protocol, and this daemon speaks 2 to 4: build the image again");
  manifest.agent_protocol = 5;
  EXPECT_EQ(
      refusal(manifest, host),
      "the snapshot's agent speaks version 5 of the protocol, and this daemon speaks 2 to 4: build the image again");
}

TEST(SnapshotManifestTest, AProcessorThatLacksWhatTheGuestSawIsRefusedUnderKvm) {
  Platform host = platform();
  host.acceleration = vmm::Acceleration::kKvm;
  host.tsc_khz = 1;  // a guest under KVM has it scaled
  SnapshotManifest manifest = example();
  manifest.model.acceleration = vmm::Acceleration::kKvm;
  manifest.processor = {"GenuineIntel", "", {"sse4_2"}};
  EXPECT_EQ(refusal(manifest, host), "");
  manifest.processor.features = {"avx2", "sse4_2", "sha_ni"};
  EXPECT_EQ(refusal(manifest, host),
            "the snapshot's guest saw a processor with avx2, sha_ni, which this host's lacks: build the image again");
  manifest.processor = {"AuthenticAMD", "", {"fpu"}};
  EXPECT_EQ(refusal(manifest, host),
            "the snapshot was made on a processor of AuthenticAMD, and this host's is of GenuineIntel: build the image "
            "again");
}

TEST(SnapshotManifestTest, AProcessorsFeaturesAreReadAsTheyWereWritten) {
  SnapshotManifest manifest = example();
  manifest.processor = {"GenuineIntel", "", {"avx2", "sse4_2"}};
  const auto decoded = decode_snapshot(encode(manifest));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->processor.vendor, "GenuineIntel");
  EXPECT_EQ(decoded->processor.features, manifest.processor.features);
}

}  // namespace
}  // namespace dormouse::snapshot
