// SPDX-License-Identifier: Apache-2.0

#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hashing/digest.h"
#include "managed_base/managed_base.h"
#include "managed_base/manifest.h"
#include "managed_base/users.h"
#include "os/file.h"

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

os::Context minute() { return os::Context::with_timeout(std::chrono::minutes(1)); }

class SetClock final : public Clock {
 public:
  SteadyTime steady() const override { return {}; }
  WallTime wall() const override { return now; }
  WallTime now{hours(1'000'000)};
};

// A data directory is here a directory with a file "named" in it, which holds the keys of bases.
class CollectionTest : public testing::Test {
 protected:
  CollectionTest() : root_(temporary_directory()), cache_(root_ / "cache"), store_(cache_, &clock_) {}
  ~CollectionTest() override { fs::remove_all(root_); }

  static fs::path temporary_directory() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    return name;
  }
  // The key of a base that was made so long ago.
  std::string base(char digit, hours age, const std::string& recipe = "recipe", bool users_known = true) const {
    ManagedBase base;
    base.key = std::string(64, digit);
    base.recipe = recipe;
    base.created_at = clock_.now - age;
    base.users_known = users_known;
    const fs::path directory = cache_ / "bases" / base.key;
    fs::create_directories(directory);
    std::ofstream(directory / "base.json") << write_manifest(base);
    std::ofstream(directory / "root.ext4") << "root";
    return base.key;
  }
  // A data directory, registered, in which these are named; its daemon does not run.
  fs::path user(const std::string& name, const std::vector<std::string>& keys) const {
    const fs::path directory = root_ / name;
    fs::create_directories(directory);
    std::ofstream file(directory / "named");
    for (const std::string& key : keys) {
      file << key << "\n";
    }
    EXPECT_TRUE(store_.register_user(directory, minute()));
    return directory;
  }
  static Result<std::map<std::string, std::vector<fs::path>>> named_in(const fs::path& data_directory) {
    DM_ASSIGN(const std::string text, os::read_file(data_directory / "named"), "");
    std::map<std::string, std::vector<fs::path>> named;
    for (std::size_t i = 0; i < text.size(); i += 65) {
      named[text.substr(i, 64)] = {data_directory / "images/image-1/1.0"};
    }
    return named;
  }
  // First digits of the keys of what went.
  std::string collect() const {
    const auto removed = store_.collect(named_in, minute());
    EXPECT_TRUE(removed) << removed.error().message();
    std::string digits;
    for (const ManagedBase& base : removed.value_or(std::vector<ManagedBase>())) {
      EXPECT_FALSE(fs::exists(base.directory));
      digits += base.key.front();
    }
    std::sort(digits.begin(), digits.end());
    return digits;
  }
  // Why nothing is collected.
  std::string refusal() const {
    const auto removed = store_.collect(named_in, minute());
    return removed ? "" : removed.error().message();
  }

  SetClock clock_;
  const fs::path root_;
  const fs::path cache_;
  const ManagedBaseStore store_;
};

TEST_F(CollectionTest, WhatNoDataDirectoryOfTheMachineNamesGoes) {
  base('1', hours(30));
  const std::string second = base('2', hours(40));
  const std::string third = base('3', hours(50));
  base('4', hours(60));
  user("one", {second});
  user("two", {third});
  EXPECT_EQ(collect(), "4");
  user("one", {});
  EXPECT_EQ(collect(), "2");
  EXPECT_EQ(collect(), "");
}

TEST_F(CollectionTest, WithoutBasesOrUsersThereIsNothingToDo) {
  EXPECT_EQ(collect(), "");
  base('1', hours(30));
  EXPECT_EQ(collect(), "");
}

TEST_F(CollectionTest, TheNewestOfEachRecipeIsKept) {
  base('1', hours(30), "Debian's kernel");
  base('2', hours(40), "own kernel");
  base('3', hours(50), "Debian's kernel");
  base('4', hours(50), "own kernel");
  EXPECT_EQ(collect(), "34");
}

TEST_F(CollectionTest, WhatWasMadeLessThanADayAgoIsKept) {
  base('1', hours(1));
  base('2', ManagedBaseStore::kYoung - hours(1));
  EXPECT_EQ(collect(), "");
  clock_.now += hours(1);
  EXPECT_EQ(collect(), "2");
}

TEST_F(CollectionTest, WhatWasMadeBeforeDaemonsRegisteredIsKept) {
  base('1', hours(1));
  const std::string old = base('2', hours(5000), "recipe", false);
  EXPECT_EQ(collect(), "");
  EXPECT_TRUE(store_.remove(old, named_in, minute())) << "but who wants to may remove it";
}

TEST_F(CollectionTest, ADataDirectoryThatCannotBeReadKeepsEverything) {
  base('1', hours(30));
  base('2', hours(40));
  const fs::path unreadable = user("unreadable", {});
  user("other", {});
  fs::remove(unreadable / "named");
  EXPECT_EQ(refusal(), "open " + (unreadable / "named").string() + ": No such file or directory");
  EXPECT_EQ(store_.list()->size(), 2U);
  const Status removed = store_.remove(std::string(64, '2'), named_in, minute());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message(), "it cannot be known who uses it: " + refusal());
}

TEST_F(CollectionTest, ADataDirectoryThatIsGoneNamesNothingAndIsForgotten) {
  base('1', hours(30));
  const std::string old = base('2', hours(40));
  const fs::path gone = user("gone", {old});
  EXPECT_EQ(collect(), "");
  fs::remove_all(gone);
  EXPECT_TRUE(fs::exists(cache_ / "users" / hashing::digest_of(gone.native())));
  EXPECT_EQ(collect(), "2");
  EXPECT_FALSE(fs::exists(cache_ / "users" / hashing::digest_of(gone.native())));
}

TEST_F(CollectionTest, OneWhoseDaemonRunsIsNotForgottenThoughItIsNotToBeSeen) {
  base('1', hours(30));
  base('2', hours(40));
  fs::create_directories(root_ / "elsewhere");
  {
    const auto running = store_.register_user(root_ / "elsewhere", minute());
    ASSERT_TRUE(running) << running.error().message();
    fs::remove_all(root_ / "elsewhere");
    EXPECT_EQ(refusal().find((root_ / "elsewhere").string() + " is not to be seen here"), 0U) << refusal();
  }
  EXPECT_EQ(collect(), "2");
}

TEST_F(CollectionTest, ARegistrationOfAnotherPathThanItsNameSaysIsAnError) {
  base('1', hours(30));
  base('2', hours(40));
  const fs::path one = user("one", {});
  std::ofstream(cache_ / "users" / hashing::digest_of(one.native())) << "/another";
  EXPECT_NE(refusal(), "");
  EXPECT_TRUE(store_.register_user(one, minute())) << "which the daemon's next start puts right";
  EXPECT_EQ(collect(), "2");
}

TEST_F(CollectionTest, WhatAProcessHoldsIsKept) {
  base('1', hours(30));
  const std::string held = base('2', hours(40));
  {
    const auto lock = FileLock::share(cache_ / "bases" / held / "base.json", minute());
    ASSERT_TRUE(lock);
    EXPECT_EQ(collect(), "");
    const Status removed = store_.remove(held, named_in, minute());
    ASSERT_FALSE(removed);
    EXPECT_EQ(
        removed.error().message(),
        "managed base " + held + ": a process that runs holds it: stop the daemon that builds with it, and try again");
  }
  EXPECT_EQ(collect(), "2");
}

// What a build does that ends between the moments at which the collection looks at the base and at what names it.
TEST_F(CollectionTest, NobodyBeginsToHoldOneWhoseUsersAreBeingAsked) {
  base('1', hours(30));
  const std::string old = base('2', hours(40));
  const fs::path one = user("one", {});
  bool asked = false;
  const auto named = [&](const fs::path&) -> Result<std::map<std::string, std::vector<fs::path>>> {
    asked = true;
    const os::Context now = os::Context::with_timeout(std::chrono::milliseconds(1));
    const auto hold = FileLock::share(cache_ / "bases" / old / "base.json", now);
    EXPECT_FALSE(hold) << "a base of which it is being asked who names it";
    EXPECT_FALSE(store_.register_user(one, now)) << "a data directory that would not be asked any more";
    return std::map<std::string, std::vector<fs::path>>();
  };
  ASSERT_TRUE(store_.collect(named, minute()));
  EXPECT_TRUE(asked);
  EXPECT_FALSE(store_.find(old));
}

TEST_F(CollectionTest, AHeldFileIsToldFromAnotherThatGotItsName) {
  std::ofstream(root_ / "file") << "one";
  const auto lock = FileLock::share(root_ / "file", minute());
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->is_of(root_ / "file"));
  std::ofstream(root_ / "other") << "other";
  fs::rename(root_ / "other", root_ / "file");
  EXPECT_FALSE(lock->is_of(root_ / "file"));
  fs::remove(root_ / "file");
  EXPECT_FALSE(lock->is_of(root_ / "file"));
}

TEST_F(CollectionTest, WorkUnderWayIsLeftAloneAndWhatInterruptedWorkLeftGoes) {
  base('1', hours(30));
  base('2', hours(40));
  fs::create_directories(cache_ / "bases/unfinished-0000/base");
  {
    const auto lock = FileLock::acquire(cache_ / "lock", minute());
    ASSERT_TRUE(lock);
    EXPECT_EQ(collect(), "");
    EXPECT_TRUE(fs::exists(cache_ / "bases/unfinished-0000"));
    const Status removed = store_.remove(std::string(64, '2'), named_in, minute());
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().kind(), ErrorKind::kUnavailable);
  }
  EXPECT_EQ(collect(), "2");
  EXPECT_FALSE(fs::exists(cache_ / "bases/unfinished-0000"));
}

TEST_F(CollectionTest, RemovalSaysWhatStandsAgainstItAndTakesWhatNothingUses) {
  const std::string newest = base('1', hours(1));
  const std::string used = base('2', hours(2));
  const fs::path one = user("one", {used});
  const Status refused = store_.remove(used, named_in, minute());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(refused.error().message(),
            "managed base " + used + ": " + (one / "images/image-1/1.0").string() +
                " cannot do without it: delete these image versions, MicroVMs and checkpoints first");
  EXPECT_TRUE(store_.remove(newest, named_in, minute()));
  EXPECT_FALSE(store_.find(newest));
  const Status absent = store_.remove(newest, named_in, minute());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind(), ErrorKind::kNotFound);
}

TEST_F(CollectionTest, UsesSayWhoNeedsWhat) {
  base('1', hours(1));
  const std::string named = base('2', hours(2));
  const std::string held = base('3', hours(30));
  base('4', hours(40));
  const fs::path one = user("one", {named});
  const auto lock = FileLock::share(cache_ / "bases" / held / "base.json", minute());
  ASSERT_TRUE(lock);
  const auto uses = store_.uses(named_in);
  ASSERT_TRUE(uses) << uses.error().message();
  ASSERT_EQ(uses->size(), 4U);
  EXPECT_TRUE((*uses)[0].newest && (*uses)[0].young && !(*uses)[0].in_use());
  EXPECT_EQ((*uses)[1].named_by, std::vector<fs::path>{one / "images/image-1/1.0"});
  EXPECT_TRUE((*uses)[2].held);
  EXPECT_FALSE((*uses)[3].to_be_kept());
}

}  // namespace
}  // namespace dormouse::managed_base
