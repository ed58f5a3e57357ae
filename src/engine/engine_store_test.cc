// SPDX-License-Identifier: Apache-2.0

#include "engine/engine_store.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>

#include "engine/current_engine.h"
#include "vmm/engine_layout.h"

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;

class EngineStoreTest : public testing::Test {
 protected:
  EngineStoreTest() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    root_ = name;
    fs::create_directories(root_ / "usr");
    install("qemu", "QEMU");
    install("ld.so", "loader");
    install("libc.so.6", "library");
  }
  ~EngineStoreTest() override { fs::remove_all(root_); }

  // As a package manager does it: by rename.
  void install(const std::string& name, const std::string& content) const {
    std::ofstream(root_ / "new") << content;
    fs::rename(root_ / "new", root_ / "usr" / name);
  }
  EngineStore::Maker maker() {
    EngineStore::Maker maker;
    maker.program = "qemu";
    maker.find = [this](const fs::path& scratch) -> Result<EngineParts> {
      ++made_;
      EXPECT_TRUE(fs::is_empty(scratch));
      if (!fs::exists(root_ / "usr/qemu")) {
        return fail(ErrorKind::kUnavailable, "there is no QEMU");
      }
      EngineParts parts{"7.2.22", {}, {root_ / "usr/cache"}};
      parts.files[vmm::kEngineQemu] = root_ / "usr/qemu";
      parts.files[vmm::kEngineLoader] = root_ / "usr/ld.so";
      parts.files["lib/libc.so.6"] = root_ / "usr/libc.so.6";
      return parts;
    };
    maker.prove = [this](const Engine& engine, const fs::path&) -> Status {
      EXPECT_TRUE(fs::exists(engine.path / vmm::kEngineQemu));
      if (unprovable_) {
        return fail(ErrorKind::kConflict, "it does not start");
      }
      return {};
    };
    return maker;
  }
  fs::path engines() const { return root_ / "engines"; }
  // The digest of what is current in a new daemon.
  std::string start() {
    EngineStore store(engines());
    const auto chosen = store.choose_current(maker(), context_);
    EXPECT_TRUE(chosen) << chosen.error().message();
    return chosen ? (*chosen)->digest : "";
  }
  static EngineStore::Named nothing() {
    return [] { return std::set<std::string>(); };
  }

  fs::path root_;
  int made_ = 0;
  bool unprovable_ = false;
  const os::Context context_ = os::Context::with_timeout(std::chrono::seconds(30));
};

TEST_F(EngineStoreTest, AnEngineHoldsCopiesThatOthersMayReadAndExecute) {
  EngineStore store(engines());
  const auto chosen = store.choose_current(maker(), context_);
  ASSERT_TRUE(chosen) << chosen.error().message();
  const fs::path directory = engines() / (*chosen)->digest;
  EXPECT_EQ((*chosen)->qemu_version, "7.2.22");
  EXPECT_EQ((*chosen)->bytes, 4U + 6U + 7U);
  EXPECT_EQ(fs::status(engines()).permissions(), fs::perms(0700)) << "nobody gets out of an engine into another's";
  EXPECT_EQ(fs::status(directory).permissions(), fs::perms(0755));
  EXPECT_EQ(fs::status(directory / "bin").permissions(), fs::perms(0755));
  EXPECT_EQ(fs::status(directory / vmm::kEngineLoader).permissions(), fs::perms(0555));
  EXPECT_EQ(fs::status(directory / "lib/libc.so.6").permissions(), fs::perms(0444));
  EXPECT_EQ(fs::hard_link_count(directory / "lib/libc.so.6"), 1U);
  struct stat seen{};
  EXPECT_EQ(::fstatat((*chosen)->directory.get(), vmm::kEngineQemu, &seen, 0), 0);
}

TEST_F(EngineStoreTest, ItIsMadeOnceForAsLongAsTheSystemsFilesStayWhatTheyAre) {
  const std::string first = start();
  EXPECT_EQ(start(), first);
  EXPECT_EQ(made_, 1);
}

TEST_F(EngineStoreTest, ItIsMadeAgainWhenALibraryChangesAndTheOldOneStays) {
  const std::string first = start();
  install("libc.so.6", "another");
  EngineStore store(engines());
  const auto second = store.choose_current(maker(), context_);
  ASSERT_TRUE(second);
  EXPECT_NE((*second)->digest, first);
  const auto old = store.open(first);
  EXPECT_TRUE(old) << old.error().message();
}

TEST_F(EngineStoreTest, TheSameFilesInstalledAgainAreTheSameEngine) {
  const std::string first = start();
  install("libc.so.6", "library");
  EXPECT_EQ(start(), first);
  EXPECT_EQ(made_, 2);
  EXPECT_EQ(start(), first);
  EXPECT_EQ(made_, 2);
}

TEST_F(EngineStoreTest, ItIsMadeAgainWhenWhatDecidesWhichFilesItHasComesUp) {
  start();
  install("cache", "");
  start();
  EXPECT_EQ(made_, 2);
}

TEST_F(EngineStoreTest, TheLastOneServesOnWhenTheSystemHasNoQemuAnyMore) {
  const std::string first = start();
  fs::remove(root_ / "usr/qemu");
  EXPECT_EQ(start(), first);
}

TEST_F(EngineStoreTest, WithoutAnyTheReasonIsTold) {
  fs::remove(root_ / "usr/qemu");
  EngineStore store(engines());
  const auto chosen = store.choose_current(maker(), context_);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().message(), "make an engine of the system's QEMU: there is no QEMU");
}

TEST_F(EngineStoreTest, WhatDoesNotStartIsNotPublished) {
  unprovable_ = true;
  EngineStore store(engines());
  EXPECT_FALSE(store.choose_current(maker(), context_));
  EXPECT_TRUE(fs::is_empty(engines()));
}

TEST_F(EngineStoreTest, ADamagedFileIsRefusedByItsName) {
  const std::string digest = start();
  EngineStore store(engines());
  struct Damage {
    std::string file;
    std::string content;
    std::string told;
  };
  for (const Damage& damage : {Damage{"lib/libc.so.6", "librarx", "lib/libc.so.6 is not what was written"},
                               Damage{"bin/qemu", "QEMU!", "bin/qemu has not its 4 bytes"},
                               Damage{"engine.json", "{}", "engine.json is not what was written"},
                               Damage{"lib/libd.so.1", "x", "lib/libd.so.1 is not part of it"}}) {
    const fs::path path = engines() / digest / damage.file;
    const fs::path before = root_ / "before";
    fs::remove(before);
    if (fs::exists(path)) {
      fs::rename(path, before);
    }
    std::ofstream(path) << damage.content;
    const auto opened = store.open(digest);
    ASSERT_FALSE(opened) << damage.file;
    EXPECT_EQ(opened.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(opened.error().message(),
              "the engine " + short_digest(digest) + " that it was made with does not verify: " + damage.told +
                  "; put it back, or build the image again");
    fs::remove(path);
    if (fs::exists(before)) {
      fs::rename(before, path);
    }
  }
  EXPECT_TRUE(store.open(digest)) << "a refusal is not remembered";
}

TEST_F(EngineStoreTest, OneThatIsNotThereIsRefused) {
  EngineStore store(engines());
  const auto opened = store.open(std::string(64, 'a'));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(opened.error().message(),
            "the engine aaaaaaaaaaaa that it was made with is missing: put it back, or build the image again");
  EXPECT_FALSE(store.open("../engines"));
}

TEST_F(EngineStoreTest, ADamagedCurrentOneIsMadeAgain) {
  const std::string first = start();
  fs::remove(engines() / first / "bin/qemu");
  EXPECT_EQ(start(), first);
  EXPECT_TRUE(fs::exists(engines() / first / "bin/qemu"));
  fs::remove_all(engines() / first);
  EXPECT_EQ(start(), first);
}

TEST_F(EngineStoreTest, CollectingRemovesWhatNothingNames) {
  const std::string first = start();
  install("qemu", "QEMU, the next");
  const std::string second = start();
  install("qemu", "QEMU, the third");
  EngineStore store(engines());
  const auto third = store.choose_current(maker(), context_);
  ASSERT_TRUE(third);
  ASSERT_TRUE(store.collect([&] { return std::set<std::string>{second}; }));
  EXPECT_FALSE(fs::exists(engines() / first));
  EXPECT_TRUE(fs::exists(engines() / second));
  EXPECT_TRUE(fs::exists(engines() / (*third)->digest));
  ASSERT_TRUE(store.collect(nothing()));
  EXPECT_EQ(*store.list(), std::vector<std::string>{(*third)->digest});
}

TEST_F(EngineStoreTest, CollectingLeavesWhatIsOpen) {
  const std::string first = start();
  install("qemu", "QEMU, the next");
  EngineStore store(engines());
  ASSERT_TRUE(store.choose_current(maker(), context_));
  auto opened = store.open(first);
  ASSERT_TRUE(opened);
  ASSERT_TRUE(store.collect(nothing()));
  EXPECT_TRUE(fs::exists(engines() / first));
  opened->reset();
  ASSERT_TRUE(store.collect(nothing()));
  EXPECT_FALSE(fs::exists(engines() / first));
}

TEST_F(EngineStoreTest, CollectingLeavesWhatBeganToBeUsedWhileNamesWereAsked) {
  const std::string first = start();
  install("qemu", "QEMU, the next");
  EngineStore store(engines());
  ASSERT_TRUE(store.choose_current(maker(), context_));
  std::shared_ptr<const Engine> opened;
  ASSERT_TRUE(store.collect([&]() -> Result<std::set<std::string>> {
    opened = *store.open(first);
    return std::set<std::string>();
  }));
  EXPECT_TRUE(fs::exists(engines() / first));
}

TEST_F(EngineStoreTest, CollectingTakesNothingWhenNobodyKnowsWhatIsNamed) {
  const std::string first = start();
  install("qemu", "QEMU, the next");
  EngineStore store(engines());
  ASSERT_TRUE(store.choose_current(maker(), context_));
  const Status collected =
      store.collect([]() -> Result<std::set<std::string>> { return fail(ErrorKind::kDataLoss, "a manifest is odd"); });
  ASSERT_FALSE(collected);
  EXPECT_EQ(collected.error().message(), "collect engines: a manifest is odd");
  EXPECT_TRUE(fs::exists(engines() / first));
}

TEST_F(EngineStoreTest, NobodyIsAskedWhenThereIsButTheCurrentOne) {
  EngineStore store(engines());
  ASSERT_TRUE(store.choose_current(maker(), context_));
  EXPECT_TRUE(store.collect([]() -> Result<std::set<std::string>> {
    ADD_FAILURE();
    return std::set<std::string>();
  }));
}

TEST_F(EngineStoreTest, WhatAnEndWithoutWarningLeftGoesAtTheNextStart) {
  const std::string first = start();
  // Half made, half removed, and published without having become the current one.
  fs::create_directories(engines() / "new.tmp/bin");
  fs::create_directories(engines() / (std::string(64, 'b') + ".tmp") / "lib");
  fs::remove(engines() / CurrentEngine::kFile);
  EXPECT_EQ(start(), first);
  EngineStore store(engines());
  EXPECT_EQ(*store.list(), std::vector<std::string>{first});
  EXPECT_FALSE(fs::exists(engines() / "new.tmp"));
  EXPECT_FALSE(fs::exists(engines() / (std::string(64, 'b') + ".tmp")));
}

}  // namespace
}  // namespace dormouse::engine
