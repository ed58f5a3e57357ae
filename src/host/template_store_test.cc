// SPDX-License-Identifier: Apache-2.0

#include "host/template_store.h"

#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "managed_base/manifest.h"
#include "os/file.h"
#include "snapshot/checksum.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

class TemplateStoreTest : public testing::Test {
 protected:
  TemplateStoreTest() : root_(temporary_directory()), bases_(root_), store_(bases_) {
    managed_base::ManagedBase base;
    base.key = std::string(64, 'b');
    base.recipe = "r";
    base_ = root_ / "bases" / base.key;
    put(base_ / "base.json", managed_base::write_manifest(base));
    put(base_ / "root.ext4", "root");
    put(base_ / "containers.ext4", "containers");
    put(snapshot_ / snapshot::kMemoryFile, "memory");
    fs::resize_file(snapshot_ / snapshot::kMemoryFile, 1U << 20U);
    put(snapshot_ / snapshot::kStateFile, "state");
    put(snapshot_ / snapshot::kDiskFile, "disk");
    snapshot::SnapshotManifest manifest;
    manifest.base_key = base.key;
    manifest.model.memory_mib = 1;
    manifest.model.disks = {"root", "containers", "application"};
    manifest.checksums.memory = sum_of(snapshot_ / snapshot::kMemoryFile);
    manifest.checksums.state = sum_of(snapshot_ / snapshot::kStateFile);
    manifest.checksums.disk = sum_of(snapshot_ / snapshot::kDiskFile);
    manifest.checksums.root = sum_of(base_ / "root.ext4");
    manifest.checksums.containers = sum_of(base_ / "containers.ext4");
    put(snapshot_ / snapshot::kManifestFile, snapshot::encode(manifest));
  }
  ~TemplateStoreTest() override { fs::remove_all(root_); }

  static fs::path temporary_directory() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    return name;
  }
  static void put(const fs::path& path, const std::string& content) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  static std::uint64_t sum_of(const fs::path& path) {
    const auto file = os::open_file(path, O_RDONLY);
    return file ? snapshot::checksum_of(*file).value_or(0) : 0;
  }
  // Another first byte, in the same file; the one that it had.
  static char change(const fs::path& path, char to) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const char was = static_cast<char>(file.get());
    file.seekp(0);
    file.put(to);
    return was;
  }
  // Why the snapshot is not opened.
  std::string refusal() {
    const auto opened = store_.open(snapshot_);
    return opened ? "" : opened.error().message();
  }

  const fs::path root_;
  const fs::path snapshot_ = root_ / "snapshot";
  fs::path base_;
  const managed_base::ManagedBaseStore bases_;
  TemplateStore store_;
};

TEST_F(TemplateStoreTest, ThoseWhoOpenASnapshotShareIt) {
  const auto one = store_.open(snapshot_);
  ASSERT_TRUE(one) << one.error().message();
  const auto other = store_.open(snapshot_);
  ASSERT_TRUE(other);
  EXPECT_EQ(one->get(), other->get());
  const auto disks = (*one)->disks(UniqueFd());
  ASSERT_TRUE(disks);
  ASSERT_EQ(disks->size(), 3U);
  EXPECT_TRUE((*disks)[0].read_only && (*disks)[1].read_only);
  EXPECT_EQ(sum_of(fs::path("/proc/self/fd") / std::to_string((*disks)[1].base.get())),
            sum_of(base_ / "containers.ext4"));
}

TEST_F(TemplateStoreTest, OneThatNobodyUsesIsLetGoAndVerifiedAgain) {
  for (const char* const name : {snapshot::kMemoryFile, snapshot::kStateFile, snapshot::kDiskFile}) {
    auto used = store_.open(snapshot_);
    ASSERT_TRUE(used) << used.error().message();
    const std::weak_ptr<const Template> seen = *used;
    const char was = change(snapshot_ / name, '!');
    EXPECT_EQ(refusal(), "") << "it is open, and not read again";
    used->reset();
    EXPECT_TRUE(seen.expired()) << "the store itself holds none";
    const auto damaged = store_.open(snapshot_);
    ASSERT_FALSE(damaged) << name;
    EXPECT_EQ(damaged.error().kind(), ErrorKind::kDataLoss);
    EXPECT_NE(refusal(), "") << "a failure is not kept for a success";
    change(snapshot_ / name, was);
    EXPECT_EQ(refusal(), "") << "nor is a success kept from who comes after the repair";
  }
}

TEST_F(TemplateStoreTest, WhatIsOpenStaysUsableWhenTheSnapshotIsRemoved) {
  const auto used = store_.open(snapshot_);
  ASSERT_TRUE(used);
  store_.forget(snapshot_);
  fs::remove_all(snapshot_);
  const auto state = (*used)->open_state();
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(snapshot::checksum_of(*state).value_or(0), (*used)->manifest.checksums.state);
  EXPECT_NE(refusal(), "");
}

TEST_F(TemplateStoreTest, AnotherBaseThanTheOneItWasMadeOnIsRefused) {
  change(base_ / "root.ext4", '!');
  EXPECT_EQ(refusal(), "open the snapshot: the managed base's root.ext4 does not verify");
  fs::remove_all(base_);
  EXPECT_EQ(refusal(),
            "open the snapshot: the managed base that the snapshot stands on: managed base " + std::string(64, 'b') +
                " is not in " + root_.string());
}

TEST_F(TemplateStoreTest, AMemoryFileOfAnotherSizeThanTheMachinesIsRefused) {
  fs::resize_file(snapshot_ / snapshot::kMemoryFile, 4096);
  EXPECT_EQ(refusal(), "open the snapshot: the memory file has not the machine's size");
}

}  // namespace
}  // namespace dormouse::host
