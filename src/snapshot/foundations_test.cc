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

class NamedEnginesTest : public testing::Test {
 protected:
  NamedEnginesTest() : layout_(temporary_directory()) {}
  ~NamedEnginesTest() override { fs::remove_all(layout_.root()); }

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

  const Layout layout_;
};

TEST_F(NamedEnginesTest, AnEmptyDataDirectoryNamesNone) { EXPECT_EQ(named(), std::set<std::string>()); }

TEST_F(NamedEnginesTest, EveryRecordThatNamesOneCounts) {
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

TEST_F(NamedEnginesTest, EachDirectorySaysWhatItStandsOn) {
  SnapshotManifest manifest;
  manifest.engine = "its-engine";
  manifest.base_key = "its-base";
  fs::create_directories(layout_.images() / "image-1/1.0");
  std::ofstream(layout_.images() / "image-1/1.0" / kManifestFile) << encode(manifest);
  const Foundations of_image = foundations_of(layout_.images() / "image-1/1.0");
  EXPECT_EQ(of_image.engines, std::set<std::string>{"its-engine"});
  EXPECT_EQ(of_image.base, "its-base");
  const VmFiles sleeping = in(layout_.microvm("microvm-1"));
  ASSERT_TRUE(sleeping.write_record(running_on("one")));
  ASSERT_TRUE(sleeping.publish_suspended(saved_by("other")));
  const Foundations of_vm = foundations_of(sleeping.directory());
  EXPECT_EQ(of_vm.engines, (std::set<std::string>{"one", "other"}));
  EXPECT_EQ(of_vm.base, "");
  EXPECT_EQ(foundations_of(layout_.images() / "absent").engines, std::set<std::string>());
}

TEST_F(NamedEnginesTest, WhatAHostsCrashMadeOfTheProcessOfOneThatSleptIsNoObstacle) {
  const VmFiles sleeping = in(layout_.microvm("microvm-1"));
  ASSERT_TRUE(sleeping.publish_suspended(saved_by("one")));
  std::ofstream(sleeping.directory() / "vm.json") << "";
  EXPECT_EQ(named(), std::set<std::string>{"one"});
}

TEST_F(NamedEnginesTest, TheProcessOfOneThatRunsMustBeKnown) {
  std::ofstream(in(layout_.microvm("microvm-1")).directory() / "vm.json") << "";
  EXPECT_FALSE(named_engines(layout_));
}

TEST_F(NamedEnginesTest, AnImageThatIsBeingRemovedNamesNone) {
  fs::create_directories(layout_.images() / "image-1/1.0");
  EXPECT_EQ(named(), std::set<std::string>());
}

TEST_F(NamedEnginesTest, WhatCannotBeReadIsAnErrorThatNamesIt) {
  image("image-1/1.0", "one");
  std::ofstream(layout_.images() / "image-1/1.0" / kManifestFile) << "{}";
  const auto found = named_engines(layout_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message().find((layout_.images() / "image-1/1.0").string()), 0U) << found.error().message();
}

}  // namespace
}  // namespace dormouse::snapshot
