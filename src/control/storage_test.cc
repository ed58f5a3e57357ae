// SPDX-License-Identifier: Apache-2.0

#include "control/storage.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/image_files.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

void put(const fs::path& path, std::size_t bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << std::string(bytes, 'x');
}

class StorageTest : public testing::Test {
 protected:
  StorageTest() { fixture.start(); }

  StorageReport report() {
    const Storage storage({*fixture.world,
                           *fixture.checkpoints,
                           cache.path(),
                           [this]() -> Result<std::vector<Storage::Bucket>> { return buckets; },
                           budget});
    auto made = storage.report(os::Context::with_timeout(std::chrono::seconds(30)));
    EXPECT_TRUE(made) << made.error().message();
    return *std::move(made);
  }
  static StorageItem find(const StorageReport& report, const std::string& id) {
    for (const StorageItem& item : report.items) {
      if (item.id == id) {
        return item;
      }
    }
    ADD_FAILURE() << id << " is not in the report";
    return {};
  }
  fs::path data() const { return fixture.directory.path(); }
  std::string image_id() {
    return fixture.images->get(test::ControlFixture::kAccount, test::ControlFixture::kImageArn)->id;
  }

  test::ControlFixture fixture;
  test::TemporaryDirectory cache;
  std::vector<Storage::Bucket> buckets;
  DiskBudget budget{{fixture.clock,
                     []() -> Result<os::FileSystemFacts> { return os::FileSystemFacts{1U << 30U, 1U << 29U}; },
                     [this](const os::Context& context) { return count_by_kind(data(), context); },
                     [] { return 0; },
                     [] { return 0; }},
                    1U << 28U};
};

TEST_F(StorageTest, AVersionSaysWhatItIsMadeOfAndWhatHoldsIt) {
  fixture.create_image();
  const Microvm vm = fixture.run_to_running(fixture.run_request());
  const auto checkpoint = fixture.checkpoints->create(test::ControlFixture::kAccount, vm.microvm_id, std::nullopt);
  ASSERT_TRUE(checkpoint);
  put(snapshot_directory(data(), image_id(), "1.0") / "memory", 300'000);
  put(snapshot_directory(data(), image_id(), "1.0") / "disk", 100'000);
  put(data() / "microvms" / vm.microvm_id / "overlay.qcow2", 200'000);
  const StorageReport made = report();
  const StorageItem version = find(made, "demo:1.0");
  EXPECT_EQ(version.kind, "image");
  EXPECT_EQ(version.account, test::ControlFixture::kAccount);
  EXPECT_GE(version.parts.at("memory"), 300'000U);
  EXPECT_GE(version.parts.at("disk"), 100'000U);
  EXPECT_GE(version.bytes, version.parts.at("memory") + version.parts.at("disk"));
  EXPECT_THAT(version.held_by, ElementsAre(vm.microvm_id, checkpoint->checkpoint_id));
  EXPECT_TRUE(version.named);
  EXPECT_GE(find(made, vm.microvm_id).parts.at("overlay"), 200'000U);
  EXPECT_EQ(find(made, vm.microvm_id).account, test::ControlFixture::kAccount);
  EXPECT_EQ(find(made, checkpoint->checkpoint_id).kind, "checkpoint");
  fixture.microvms->terminate(test::ControlFixture::kAccount, vm.microvm_id);
  ASSERT_TRUE(fixture.states.wait_for(vm.microvm_id, MicrovmState::kTerminated));
  EXPECT_THAT(find(report(), "demo:1.0").held_by, ElementsAre(checkpoint->checkpoint_id));
}

TEST_F(StorageTest, AnEngineAndABaseSayWhatStandsOnThem) {
  fixture.create_image();
  const Microvm vm = fixture.run_to_running(fixture.run_request());
  put(snapshot_directory(data(), image_id(), "1.0") / "memory", 1);
  put(data() / "microvms" / vm.microvm_id / "overlay.qcow2", 1);
  put(data() / "engines/used/qemu", 1);
  put(data() / "engines/old/qemu", 1);
  put(cache.path() / "bases/key/root", 1);
  put(cache.path() / "bases/other/root", 1);
  fixture.host.stands_on(snapshot_directory(data(), image_id(), "1.0"), {{"used"}, {"key"}});
  fixture.host.stands_on(data() / "microvms" / vm.microvm_id, {{"used"}, {"key"}});
  const StorageReport made = report();
  EXPECT_THAT(find(made, "used").held_by, ElementsAre("demo:1.0", vm.microvm_id));
  EXPECT_THAT(find(made, "old").held_by, IsEmpty());
  EXPECT_THAT(find(made, "key").held_by, ElementsAre("demo:1.0", vm.microvm_id));
  EXPECT_EQ(find(made, "key").kind, "base");
  EXPECT_THAT(find(made, "other").held_by, IsEmpty());
}

TEST_F(StorageTest, WhatNoRecordNamesIsSaidToBeSo) {
  put(snapshot_directory(data(), "of-no-image", "1.0") / "memory", 300'000);
  const StorageItem garbage = find(report(), "of-no-image:1.0");
  EXPECT_FALSE(garbage.named);
  EXPECT_THAT(garbage.held_by, IsEmpty());
}

TEST_F(StorageTest, TheKindsAddUpToTheWholeDirectoryAndBasesDoNotCount) {
  put(data() / "engines/abc/qemu", 100'000);
  put(data() / "artifacts/blobs/1", 500'000);
  put(cache.path() / "base/root", 400'000);
  buckets = {{"000000000000", "artifacts", 450'000, 3}};
  const StorageReport made = report();
  std::uint64_t sum = 0;
  for (const char* const kind : kStorageKinds) {
    ASSERT_TRUE(made.kinds.contains(kind)) << kind;
    sum += made.kinds.at(kind).bytes;
  }
  EXPECT_EQ(made.kinds.size(), std::size(kStorageKinds));
  EXPECT_EQ(sum, made.data_bytes + made.kinds.at("base").bytes);
  EXPECT_GE(made.kinds.at("base").bytes, 400'000U);
  EXPECT_EQ(find(made, "s3://artifacts").bytes, 450'000U);
  EXPECT_EQ(find(made, "abc").kind, "engine");
  const auto by_kind = count_by_kind(data(), os::Context::with_timeout(std::chrono::seconds(30)));
  ASSERT_TRUE(by_kind);
  EXPECT_EQ(by_kind->at("engine") > 0, true);
  EXPECT_EQ(made.room.held_bytes, made.data_bytes);
  EXPECT_EQ(made.room.budget_bytes, 1U << 28U);
}

TEST_F(StorageTest, BytesAreBackAfterADeletion) {
  fixture.create_image();
  const fs::path snapshot = snapshot_directory(data(), image_id(), "1.0");
  put(snapshot / "memory", 5'000'000);
  const std::uint64_t before = report().kinds.at("image").bytes;
  EXPECT_GE(before, 5'000'000U);
  fs::remove_all(snapshot);  // as the host does
  ASSERT_TRUE(fixture.images->remove(test::ControlFixture::kAccount, test::ControlFixture::kImageArn));
  fixture.images->stop();
  const StorageReport after = report();
  EXPECT_EQ(after.kinds.at("image").bytes, 0U);
  EXPECT_EQ(after.kinds.at("image").items, 0U);
}

}  // namespace
}  // namespace dormouse::control
