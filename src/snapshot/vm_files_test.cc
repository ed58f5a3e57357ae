// SPDX-License-Identifier: Apache-2.0

#include "snapshot/vm_files.h"

#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace dormouse::snapshot {
namespace {

namespace fs = std::filesystem;

constexpr std::array kReplaced = {"overlay.qcow2", "state", "pages"};

class RollbackTest : public testing::Test {
 protected:
  RollbackTest() {
    std::string name = (fs::temp_directory_path() / "dormouse-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary directory can be made");
    }
    root_ = name;
  }
  ~RollbackTest() override { fs::remove_all(root_); }

  // A directory in a suspended VM's form; what its files say is `content`, and its record an output offset of `offset`.
  VmFiles suspended(const std::string& name, const std::string& content, std::uint64_t offset) const {
    const VmFiles files(root_ / name);
    fs::create_directories(files.directory());
    for (const char* const file : kReplaced) {
      std::ofstream(files.directory() / file) << content;
    }
    SuspendedRecord record;
    record.snapshot = "/snapshot";
    record.output_offset = offset;
    EXPECT_TRUE(files.sum(record));
    EXPECT_TRUE(files.publish_suspended(record));
    return files;
  }
  static std::string content(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static void expect_is(const VmFiles& files, const std::string& wanted, std::uint64_t offset) {
    for (const char* const file : kReplaced) {
      EXPECT_EQ(content(files.directory() / file), wanted) << file;
    }
    const auto record = files.read_suspended();
    ASSERT_TRUE(record) << record.error().message();
    EXPECT_EQ(record->output_offset, offset);
    EXPECT_FALSE(fs::exists(files.directory() / "rollback"));
    EXPECT_FALSE(files.rollback_is_pending());
  }

  fs::path root_;
  const os::Context context_ = os::Context::with_timeout(std::chrono::seconds(30));
};

TEST_F(RollbackTest, BeforeItIsPublishedTheVmIsWhatItWas) {
  const VmFiles vm = suspended("vm", "new", 7);
  const VmFiles checkpoint = suspended("checkpoint", "old", 3);
  ASSERT_TRUE(vm.prepare_rollback(checkpoint, context_));
  EXPECT_FALSE(vm.rollback_is_pending());
  vm.abandon_rollback();
  expect_is(vm, "new", 7);
}

TEST_F(RollbackTest, OnceItIsPublishedItIsFinishedFromWhereverItWasInterrupted) {
  const VmFiles checkpoint = suspended("checkpoint", "old", 3);
  for (std::size_t moved = 0; moved <= kReplaced.size(); ++moved) {
    const VmFiles vm = suspended("vm-" + std::to_string(moved), "new", 7);
    ASSERT_TRUE(vm.prepare_rollback(checkpoint, context_));
    ASSERT_TRUE(vm.publish_rollback(*checkpoint.read_suspended()));
    for (std::size_t i = 0; i < moved; ++i) {
      fs::rename(vm.directory() / "rollback" / kReplaced.at(i), vm.directory() / kReplaced.at(i));
    }
    vm.abandon_rollback();  // is too late
    EXPECT_TRUE(vm.rollback_is_pending());
    ASSERT_TRUE(vm.finish_rollback());
    expect_is(vm, "old", 3);
    expect_is(checkpoint, "old", 3);
  }
}

TEST_F(RollbackTest, LeftoversOfAnEarlierOneAreNoObstacle) {
  const VmFiles vm = suspended("vm", "new", 7);
  const VmFiles checkpoint = suspended("checkpoint", "old", 3);
  ASSERT_TRUE(vm.prepare_rollback(checkpoint, context_));
  ASSERT_TRUE(vm.prepare_rollback(checkpoint, context_));
  ASSERT_TRUE(vm.publish_rollback(*checkpoint.read_suspended()));
  ASSERT_TRUE(vm.finish_rollback());
  expect_is(vm, "old", 3);
}

TEST_F(RollbackTest, FilesThatWereChangedDoNotVerify) {
  const VmFiles checkpoint = suspended("checkpoint", "old", 3);
  const auto record = checkpoint.read_suspended();
  ASSERT_TRUE(record);
  std::ofstream(checkpoint.overlay()) << "odd";
  const Status verified = checkpoint.verify(*record);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().kind(), ErrorKind::kDataLoss);
  EXPECT_EQ(verified.error().message().find("the VM's disk"), 0U) << verified.error().message();
}

}  // namespace
}  // namespace dormouse::snapshot
