// SPDX-License-Identifier: Apache-2.0

#include "host/kernel_trial.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/uuid.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

const TrialSubject kSubject{"6f1c7f0e-0000-4000-8000-000000000001", std::string(64, 'b')};
const KernelVerdict kRefused{kSubject, "its guest did not answer within 20 s (QEMU said: \"no\")"};
const KernelVerdict kBoots{kSubject, std::nullopt};
const vmm::AccelerationVerdict kLoopRan{vmm::Acceleration::kKvm, "/dev/kvm ran a guest loop in 900 us"};

TEST(KernelVerdictTest, IsReadAsItWasWritten) {
  for (const KernelVerdict& verdict : {kRefused, kBoots}) {
    const auto decoded = decode_kernel_verdict(encode(verdict));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(*decoded, verdict);
  }
}

TEST(KernelVerdictTest, HasTheFormOfItsPage) {
  EXPECT_EQ(encode({{"b-1", "k-1"}, "no"}),
            R"({"format":1,"boot_id":"b-1","base":"k-1","refusal":"no"})"
            "\n");
  EXPECT_EQ(encode({{"b-1", "k-1"}, {}}),
            R"({"format":1,"boot_id":"b-1","base":"k-1","refusal":null})"
            "\n");
}

TEST(KernelVerdictTest, AnythingElseIsDataLoss) {
  for (const char* const text : {"",
                                 "{",
                                 "[]",
                                 R"({"boot_id":"b","base":"k","refusal":null})",
                                 R"({"format":2,"boot_id":"b","base":"k","refusal":null})",
                                 R"({"format":1,"base":"k","refusal":null})",
                                 R"({"format":1,"boot_id":"b","refusal":null})",
                                 R"({"format":1,"boot_id":"b","base":"k"})",
                                 R"({"format":1,"boot_id":"b","base":"k","refusal":true})"}) {
    const auto decoded = decode_kernel_verdict(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().kind(), ErrorKind::kDataLoss) << text;
    EXPECT_EQ(decoded.error().message().rfind("kernel-trial.json: ", 0), 0U) << decoded.error().message();
  }
}

class RememberedVerdictTest : public testing::Test {
 protected:
  RememberedVerdictTest() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    root_ = name;
    file_ = root_ / "kernel-trial.json";
  }
  ~RememberedVerdictTest() override { fs::remove_all(root_); }

  fs::path root_;
  fs::path file_;
};

TEST_F(RememberedVerdictTest, IsWhatWasWrittenLast) {
  EXPECT_EQ(remembered_verdict(file_, kSubject), std::nullopt);
  ASSERT_TRUE(write_verdict(file_, kRefused));
  EXPECT_EQ(remembered_verdict(file_, kSubject), kRefused);
  ASSERT_TRUE(write_verdict(file_, kBoots));
  EXPECT_EQ(remembered_verdict(file_, kSubject), kBoots);
}

TEST_F(RememberedVerdictTest, OfAnotherBootOfTheHostOrAnotherBaseCountsForNothing) {
  ASSERT_TRUE(write_verdict(file_, kRefused));
  EXPECT_EQ(remembered_verdict(file_, {"6f1c7f0e-0000-4000-8000-000000000002", kSubject.base_key}), std::nullopt);
  EXPECT_EQ(remembered_verdict(file_, {kSubject.boot_id, std::string(64, 'c')}), std::nullopt);
}

TEST_F(RememberedVerdictTest, OneThatIsDamagedOrTooLongCountsForNothing) {
  std::ofstream(file_) << encode(kRefused).substr(0, 40);
  EXPECT_EQ(remembered_verdict(file_, kSubject), std::nullopt);
  std::ofstream(file_) << encode(kRefused) << std::string(1U << 20U, ' ');
  EXPECT_EQ(remembered_verdict(file_, kSubject), std::nullopt);
}

TEST_F(RememberedVerdictTest, OneThatCannotBeWrittenIsAnError) {
  fs::create_directories(file_ / "occupied");
  EXPECT_FALSE(write_verdict(file_, kRefused));
  EXPECT_EQ(remembered_verdict(file_, kSubject), std::nullopt);
}

TEST(HeedTest, KvmThatRefusedTheKernelIsEmulation) {
  const auto verdict = heed(kLoopRan, "auto", kRefused);
  EXPECT_EQ(verdict.acceleration, vmm::Acceleration::kTcg);
  EXPECT_EQ(verdict.reason,
            "/dev/kvm ran a guest loop in 900 us, but does not boot the kernel of the base bbbbbbbbbbbb: its guest did "
            "not answer within 20 s (QEMU said: \"no\")");
}

TEST(HeedTest, WithoutARefusalTheProbeIsBelieved) {
  for (const std::optional<KernelVerdict>& known : {std::optional<KernelVerdict>(), std::optional(kBoots)}) {
    const auto verdict = heed(kLoopRan, "auto", known);
    EXPECT_EQ(verdict.acceleration, vmm::Acceleration::kKvm);
    EXPECT_EQ(verdict.reason, kLoopRan.reason);
  }
}

TEST(HeedTest, WhatWasAskedForByNameOverridesTheRefusal) {
  const vmm::AccelerationVerdict asked{vmm::Acceleration::kKvm, "asked for by --accel kvm"};
  const auto verdict = heed(asked, "kvm", kRefused);
  EXPECT_EQ(verdict.acceleration, vmm::Acceleration::kKvm);
  EXPECT_EQ(verdict.reason, asked.reason);
}

TEST(HeedTest, EmulationKeepsTheReasonOfTheProbe) {
  const vmm::AccelerationVerdict probed{vmm::Acceleration::kTcg, "there is no /dev/kvm"};
  EXPECT_EQ(heed(probed, "auto", kRefused).reason, probed.reason);
}

TEST(HasKvmImagesTest, OneOfManyIsEnough) {
  const fs::path directory = fs::temp_directory_path() / ("dormouse-images-" + make_uuid());
  const snapshot::Layout layout(directory);
  EXPECT_FALSE(has_kvm_images(layout)) << "there are none";
  const auto make = [&](const char* name, vmm::Acceleration acceleration) {
    snapshot::SnapshotManifest manifest;
    manifest.model.acceleration = acceleration;
    fs::create_directories(layout.images() / name / "1.0");
    std::ofstream(layout.images() / name / "1.0" / snapshot::kManifestFile) << snapshot::encode(manifest);
  };
  make("emulated", vmm::Acceleration::kTcg);
  fs::create_directories(layout.images() / "half made" / "1.0");
  EXPECT_FALSE(has_kvm_images(layout));
  make("virtualised", vmm::Acceleration::kKvm);
  EXPECT_TRUE(has_kvm_images(layout));
  fs::remove_all(directory);
}

TEST(IsUpToTrialTest, KvmIsUnlessItWasAskedFor) {
  EXPECT_TRUE(is_up_to_trial("auto", vmm::Acceleration::kKvm));
  EXPECT_FALSE(is_up_to_trial("kvm", vmm::Acceleration::kKvm));
  EXPECT_FALSE(is_up_to_trial("auto", vmm::Acceleration::kTcg));
  EXPECT_FALSE(is_up_to_trial("tcg", vmm::Acceleration::kTcg));
}

}  // namespace
}  // namespace dormouse::host
