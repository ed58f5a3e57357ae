// SPDX-License-Identifier: Apache-2.0

#include "engine/current_engine.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>

namespace dormouse::engine {
namespace {

namespace fs = std::filesystem;

class CurrentEngineTest : public testing::Test {
 protected:
  CurrentEngineTest() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    root_ = name;
  }
  ~CurrentEngineTest() override { fs::remove_all(root_); }

  fs::path write(const char* name, const char* content) const {
    std::ofstream(root_ / name) << content;
    return root_ / name;
  }
  CurrentEngine made_from(const std::vector<fs::path>& files) const {
    CurrentEngine current{std::string(64, 'a'), "/usr/bin/qemu", vmm::Acceleration::kTcg, {}};
    for (const fs::path& file : files) {
      current.sources.push_back(state_of(file));
    }
    return current;
  }

  fs::path root_;
};

TEST_F(CurrentEngineTest, IsReadAsItWasWritten) {
  const CurrentEngine current = made_from({write("qemu", "one")});
  std::ofstream(root_ / CurrentEngine::kFile) << encode(current);
  const auto found = read_current(root_);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(encode(*found), encode(current));
  EXPECT_TRUE(is_up_to_date(*found));
}

TEST_F(CurrentEngineTest, IsOutOfDateWhenASourceWasReplacedByRename) {
  const CurrentEngine current = made_from({write("qemu", "one"), write("library", "two")});
  fs::rename(write("new", "two"), root_ / "library");
  EXPECT_FALSE(is_up_to_date(current));
}

TEST_F(CurrentEngineTest, IsOutOfDateWhenASourceWasChangedInPlaceAndItsTimeSetBack) {
  const fs::path file = write("library", "two");
  const auto time = fs::last_write_time(file);
  const CurrentEngine current = made_from({file});
  // The clock of inodes is coarse: again until it has moved.
  do {
    write("library", "owt");
    fs::last_write_time(file, time);
  } while (state_of(file).changed_ns == current.sources[0].changed_ns);
  EXPECT_EQ(state_of(file).modified_ns, current.sources[0].modified_ns);
  EXPECT_FALSE(is_up_to_date(current));
}

TEST_F(CurrentEngineTest, IsOutOfDateWhenASourceGoesOrComes) {
  const CurrentEngine with = made_from({write("library", "two")});
  fs::remove(root_ / "library");
  EXPECT_FALSE(is_up_to_date(with));
  const CurrentEngine without = made_from({root_ / "library"});
  EXPECT_TRUE(is_up_to_date(without));
  write("library", "two");
  EXPECT_FALSE(is_up_to_date(without));
}

TEST_F(CurrentEngineTest, OneWithoutSourcesIsOutOfDate) { EXPECT_FALSE(is_up_to_date(made_from({}))); }

TEST_F(CurrentEngineTest, ADamagedRecordIsDataLoss) {
  write(CurrentEngine::kFile, R"({"format":1})");
  const auto found = read_current(root_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind(), ErrorKind::kDataLoss);
}

}  // namespace
}  // namespace dormouse::engine
