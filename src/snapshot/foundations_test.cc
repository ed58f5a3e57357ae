// SPDX-License-Identifier: Apache-2.0

#include "snapshot/foundations.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>

#include "snapshot/manifest.h"
#include "snapshot/vm_files.h"

namespace dormouse::snapshot {
namespace {

namespace fs = std::filesystem;

class FoundationsTest : public testing::Test {
 protected:
  FoundationsTest() : layout_(temporary_directory()) {}
  ~FoundationsTest() override { fs::remove_all(layout_.root()); }

  static fs::path temporary_directory() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    return name;
  }
  void image(const std::string& name, const std::string& engine) const {
    SnapshotManifest manifest;
    manifest.engine = engine;
    fs::create_directories(layout_.images() / name);
    std::ofstream(layout_.images() / name / kManifestFile) << encode(manifest);
  }
  static VmFiles in(const fs::path& directory) {
    fs::create_directories(directory);
    return VmFiles(directory);
  }
  static VmRecord running_on(const std::string& engine) {
    VmRecord record;
    record.engine = engine;
    return record;
  }
  static SuspendedRecord saved_by(const std::string& engine) {
    SuspendedRecord record;
    record.engine = engine;
    return record;
  }
  std::set<std::string> named() const {
    const auto found = named_engines(layout_);
    EXPECT_TRUE(found) << found.error().message();
    return found.value_or(std::set<std::string>{"?"});
  }

  // The directory of a snapshot with this base.
  fs::path on_base(const fs::path& directory, const std::string& base) const {
    SnapshotManifest manifest;
    manifest.base_key = base;
    fs::create_directories(directory);
    std::ofstream(directory / kManifestFile) << encode(manifest);
    return directory;
  }

  const Layout layout_;
};

TEST_F(FoundationsTest, AnEmptyDataDirectoryNamesNone) { EXPECT_EQ(named(), std::set<std::string>()); }

TEST_F(FoundationsTest, EveryRecordThatNamesOneCounts) {
  image("image-1/1.0", "of-an-image");
  image("image-1/2.0", "of-its-next-version");
  image("image-2/1.0", "");  // made before engines were kept
  const VmFiles running = in(layout_.microvm("microvm-1"));
  ASSERT_TRUE(running.write_record(running_on("of-one-that-runs")));
  const VmFiles sleeping = in(layout_.microvm("microvm-2"));
  ASSERT_TRUE(sleeping.write_record(running_on("of-one-that-ran")));
  ASSERT_TRUE(sleeping.publish_suspended(saved_by("of-one-that-sleeps")));
  const VmFiles rolled_back = in(layout_.microvm("microvm-3"));
  ASSERT_TRUE(rolled_back.publish_rollback(saved_by("of-one-on-its-way-back")));
  ASSERT_TRUE(in(layout_.checkpoints() / "checkpoint-1").publish_suspended(saved_by("of-a-checkpoint")));
  ASSERT_TRUE(in(layout_.checkpoints() / "checkpoint-2.tmp").publish_suspended(saved_by("of-an-unfinished-one")));
  EXPECT_EQ(named(),
            (std::set<std::string>{"of-an-image",
                                   "of-its-next-version",
                                   "of-one-that-runs",
                                   "of-one-that-ran",
                                   "of-one-that-sleeps",
                                   "of-one-on-its-way-back",
                                   "of-a-checkpoint",
                                   "of-an-unfinished-one"}));
}

TEST_F(FoundationsTest, EachDirectorySaysWhatItStandsOn) {
  SnapshotManifest manifest;
  manifest.engine = "its-engine";
  manifest.base_key = "its-base";
  fs::create_directories(layout_.images() / "image-1/1.0");
  std::ofstream(layout_.images() / "image-1/1.0" / kManifestFile) << encode(manifest);
  const Foundations of_image = foundations_of(layout_.images() / "image-1/1.0");
  EXPECT_EQ(of_image.engines, std::set<std::string>{"its-engine"});
  EXPECT_EQ(of_image.bases, std::set<std::string>{"its-base"});
  const VmFiles sleeping = in(layout_.microvm("microvm-1"));
  ASSERT_TRUE(sleeping.write_record(running_on("one")));
  SuspendedRecord saved = saved_by("other");
  saved.snapshot = layout_.images() / "image-1/1.0";
  ASSERT_TRUE(sleeping.publish_suspended(saved));
  const Foundations of_vm = foundations_of(sleeping.directory());
  EXPECT_EQ(of_vm.engines, (std::set<std::string>{"one", "other"}));
  EXPECT_EQ(of_vm.bases, std::set<std::string>{"its-base"}) << "its snapshot's";
  EXPECT_EQ(foundations_of(layout_.images() / "absent").engines, std::set<std::string>());
}

TEST_F(FoundationsTest, WhatAHostsCrashMadeOfTheProcessOfOneThatSleptIsNoObstacle) {
  const VmFiles sleeping = in(layout_.microvm("microvm-1"));
  ASSERT_TRUE(sleeping.publish_suspended(saved_by("one")));
  std::ofstream(sleeping.directory() / "vm.json") << "";
  EXPECT_EQ(named(), std::set<std::string>{"one"});
}

TEST_F(FoundationsTest, TheProcessOfOneThatRunsMustBeKnown) {
  std::ofstream(in(layout_.microvm("microvm-1")).directory() / "vm.json") << "";
  EXPECT_FALSE(named_engines(layout_));
}

TEST_F(FoundationsTest, AnImageThatIsBeingRemovedNamesNone) {
  fs::create_directories(layout_.images() / "image-1/1.0");
  EXPECT_EQ(named(), std::set<std::string>());
}

TEST_F(FoundationsTest, WhatCannotBeReadIsAnErrorThatNamesIt) {
  image("image-1/1.0", "one");
  std::ofstream(layout_.images() / "image-1/1.0" / kManifestFile) << "{}";
  const auto found = named_engines(layout_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message().find((layout_.images() / "image-1/1.0").string()), 0U) << found.error().message();
}

TEST_F(FoundationsTest, BasesAreNamedWithAllThatStandOnThemSnapshotsFirst) {
  std::ofstream(layout_.lock()) << "";
  const fs::path version = on_base(layout_.images() / "image-1/1.0", "one");
  on_base(layout_.images() / "image-1/2.0", "");
  const fs::path withdrawn = on_base(layout_.images() / "image-1/3.0.tmp", "half-removed");
  VmRecord running = running_on("engine");
  running.snapshot = version;
  ASSERT_TRUE(in(layout_.microvm("microvm-1")).write_record(running));
  const auto bases = named_bases(layout_.root());
  ASSERT_TRUE(bases) << bases.error().message();
  EXPECT_EQ(bases->at("one"), (std::vector<fs::path>{version, layout_.microvm("microvm-1")}));
  EXPECT_EQ(bases->at("half-removed"), std::vector<fs::path>{withdrawn});
  EXPECT_EQ(bases->size(), 2U);
}

TEST_F(FoundationsTest, ABaseIsNamedByAVmOrACheckpointAloneThroughItsSnapshot) {
  std::ofstream(layout_.lock()) << "";
  VmRecord running = running_on("");
  running.snapshot = on_base(layout_.root() / "elsewhere/1", "of-one-that-runs");
  ASSERT_TRUE(in(layout_.microvm("microvm-1")).write_record(running));
  SuspendedRecord sleeping = saved_by("");
  sleeping.snapshot = on_base(layout_.root() / "elsewhere/2", "of-one-that-sleeps");
  ASSERT_TRUE(in(layout_.microvm("microvm-2")).publish_suspended(sleeping));
  sleeping.snapshot = on_base(layout_.root() / "elsewhere/3", "of-one-on-its-way-back");
  ASSERT_TRUE(in(layout_.microvm("microvm-3")).publish_rollback(sleeping));
  sleeping.snapshot = on_base(layout_.root() / "elsewhere/4", "of-a-checkpoint");
  const VmFiles checkpoint = in(layout_.checkpoints() / "checkpoint-1");
  ASSERT_TRUE(checkpoint.publish_suspended(sleeping));
  sleeping.snapshot = layout_.root() / "elsewhere/gone";
  ASSERT_TRUE(in(layout_.microvm("microvm-4")).publish_suspended(sleeping));
  const auto bases = named_bases(layout_.root());
  ASSERT_TRUE(bases) << bases.error().message();
  EXPECT_EQ(bases->at("of-a-checkpoint"), std::vector<fs::path>{checkpoint.directory()});
  EXPECT_TRUE(bases->contains("of-one-that-runs"));
  EXPECT_TRUE(bases->contains("of-one-that-sleeps"));
  EXPECT_TRUE(bases->contains("of-one-on-its-way-back"));
  EXPECT_EQ(bases->size(), 4U);
}

TEST_F(FoundationsTest, WhichBasesADirectoryNamesThatIsNoneOfADaemonNobodyKnows) {
  const auto found = named_bases(layout_.root());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message(),
            layout_.root().string() + " holds no data of a daemon now: mount it, or remove it");
  std::ofstream(layout_.lock()) << "";
  EXPECT_TRUE(named_bases(layout_.root()));
  VmRecord running = running_on("");
  running.snapshot = on_base(layout_.root() / "elsewhere", "one");
  ASSERT_TRUE(in(layout_.microvm("microvm-1")).write_record(running));
  std::ofstream(running.snapshot / kManifestFile) << "{}";
  EXPECT_FALSE(named_bases(layout_.root()));
}

}  // namespace
}  // namespace dormouse::snapshot
