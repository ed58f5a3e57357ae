// SPDX-License-Identifier: Apache-2.0

#include "control/garbage.h"

#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "control/image_files.h"
#include "support/control_fixture.h"

namespace dormouse::control {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "content";
}

std::set<fs::path> files_in(const fs::path& directory) {
  std::set<fs::path> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      found.insert(entry.path());
    }
  }
  return found;
}

TEST(GarbageTest, AnyTreeLosesAllThatNoRecordNamesAndNothingElse) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const test::TemporaryDirectory directory;
    NamedFiles named;
    std::set<fs::path> kept;
    const auto place = [&](const fs::path& path, bool is_named) {
      if (!chance(80)) {
        return;  // a record may name what is not there
      }
      put(path);
      if (is_named) {
        kept.insert(path);
      }
    };
    for (unsigned image = 0; image < random() % 6; ++image) {
      const std::string id = "image-" + std::to_string(image);
      const bool image_named = chance(70);
      if (image_named) {
        named.versions[id];
      }
      for (unsigned number = 1; number < 1 + random() % 5; ++number) {
        const std::string version = std::to_string(number) + ".0";
        const bool version_named = image_named && chance(60);
        if (version_named) {
          named.versions[id].insert(version);
        }
        place(snapshot_directory(directory.path(), id, version) / "memory", version_named);
        place(snapshot_directory(directory.path(), id, version + ".tmp") / "memory", false);
      }
    }
    for (unsigned build = 0; build < random() % 6; ++build) {
      const std::string id = "build-" + std::to_string(build);
      const bool build_named = chance(50);
      if (build_named) {
        named.builds.insert(id);
      }
      place(build_log_file(directory.path(), id), build_named);
      place(build_directory(directory.path(), id) / "archive.zip", false);
    }
    for (const char* const other :
         {"microvms/microvm-1/overlay.qcow2", "checkpoints/checkpoint-1/pages", "credentials"}) {
      put(directory.path() / other);
      kept.insert(directory.path() / other);
    }
    const auto garbage = find_garbage(directory.path(), named);
    ASSERT_TRUE(garbage) << garbage.error().message();
    for (const fs::path& path : *garbage) {
      // Whatever it is that ends the collector in between: nothing that is named is gone.
      fs::remove_all(path);
      const std::set<fs::path> left = files_in(directory.path());
      EXPECT_TRUE(std::includes(left.begin(), left.end(), kept.begin(), kept.end()));
    }
    EXPECT_EQ(files_in(directory.path()), kept);
    EXPECT_TRUE(find_garbage(directory.path(), named)->empty());
  }
}

class CollectionTest : public testing::Test {
 protected:
  CollectionTest() { fixture.start(); }

  fs::path data() const { return fixture.directory.path(); }
  Image demo() { return *fixture.images->get(test::ControlFixture::kAccount, test::ControlFixture::kImageArn); }
  std::size_t collect() { return collect_garbage(data(), *fixture.metadata).value(); }

  test::ControlFixture fixture;
};

TEST_F(CollectionTest, AnEmptyDirectoryHasNone) { EXPECT_EQ(collect(), 0U); }

TEST_F(CollectionTest, ASnapshotStaysAndOthersGo) {
  fixture.create_image();
  const fs::path snapshot = snapshot_directory(data(), demo().id, "1.0");
  put(snapshot / "memory");
  put(snapshot_directory(data(), demo().id, "2.0") / "memory");
  put(snapshot_directory(data(), "of-no-image", "1.0") / "memory");
  put(data() / "build-logs/of-no-build.log");
  const std::set<fs::path> logs_before = files_in(data() / "build-logs");
  EXPECT_EQ(collect(), 3U);
  EXPECT_TRUE(fs::exists(snapshot / "memory"));
  EXPECT_FALSE(fs::exists(image_directory(data(), "of-no-image")));
  EXPECT_EQ(files_in(data() / "build-logs").size(), logs_before.size() - 1);
}

TEST_F(CollectionTest, WhatAFailedBuildPublishedGoesAtTheNextStartAndItsLogStays) {
  fixture.host.fail_next_build({"CONTAINER_BUILD_FAILED", "It failed.", std::nullopt});
  const auto created = fixture.images->create(test::ControlFixture::kAccount,
                                              "demo",
                                              test::ControlFixture::specification(),
                                              std::nullopt,
                                              std::nullopt,
                                              "digest");
  ASSERT_TRUE(created);
  ASSERT_TRUE(fixture.wait_for_build(BuildState::kFailed));
  const fs::path snapshot = snapshot_directory(data(), demo().id, "1.0");
  put(snapshot / "memory");
  const std::set<fs::path> logs = files_in(data() / "build-logs");
  fixture.restart();
  fixture.start();
  EXPECT_FALSE(fs::exists(snapshot));
  EXPECT_EQ(files_in(data() / "build-logs"), logs);
  EXPECT_FALSE(logs.empty());
}

}  // namespace
}  // namespace dormouse::control
