// SPDX-License-Identifier: Apache-2.0

#include "os/cpu_groups.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/uuid.h"
#include "os/file.h"
#include "os/process.h"

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;
using Version = CpuHierarchy::Version;

TEST(CpuGroupsTest, SharesFollowTheBaselineInBothVersions) {
  // Baselines of the smallest size, the default and the largest: 0.25, 1 and 4 processors.
  EXPECT_EQ(share_value(Version::kV1, 250), 256U);
  EXPECT_EQ(share_value(Version::kV1, 1000), 1024U);
  EXPECT_EQ(share_value(Version::kV1, 4000), 4096U);
  EXPECT_EQ(share_value(Version::kV2, 250), 25U);
  EXPECT_EQ(share_value(Version::kV2, 1000), 100U);
  EXPECT_EQ(share_value(Version::kV2, 4000), 400U);
}

TEST(CpuGroupsTest, SharesStayWithinTheKernelsBounds) {
  EXPECT_EQ(share_value(Version::kV1, 1), 2U);
  EXPECT_EQ(share_value(Version::kV1, 1'000'000), 262'144U);
  EXPECT_EQ(share_value(Version::kV2, 1), 1U);
  EXPECT_EQ(share_value(Version::kV2, 1'000'000), 10'000U);
}

class CpuHierarchyTest : public testing::Test {
 protected:
  CpuHierarchyTest() : directory(fs::temp_directory_path() / ("dormouse-groups-" + make_uuid())) {
    fs::create_directories(directory);
  }
  ~CpuHierarchyTest() override { fs::remove_all(directory); }
  void controllers(const char* text) const { std::ofstream(directory / "cgroup.controllers") << text; }
  std::string v2_line() const { return "cgroup2 " + directory.string() + " cgroup2 rw,nosuid 0 0\n"; }

  const fs::path directory;
};

TEST_F(CpuHierarchyTest, VersionTwoIsTakenWhereItHasTheController) {
  controllers("cpuset cpu io memory\n");
  const auto found = find_cpu_hierarchy("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n" + v2_line());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, Version::kV2);
  EXPECT_EQ(found->root, directory);
}

TEST_F(CpuHierarchyTest, VersionOneIsTakenWhereVersionTwoIsEmpty) {
  controllers("\n");
  const auto found = find_cpu_hierarchy(v2_line() +
                                        "cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n"
                                        "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, Version::kV1);
  EXPECT_EQ(found->root, "/sys/fs/cgroup/cpu,cpuacct");
}

TEST_F(CpuHierarchyTest, NoneIsFoundWhereNoneHasTheController) {
  controllers("cpuset memory\n");
  EXPECT_FALSE(find_cpu_hierarchy(v2_line() + "cgroup /c cgroup rw,cpuset 0 0\nproc /proc proc rw 0 0\n"));
}

TEST(CpuGroupsTest, ProcessIsPlacedWithItsShareAndTheGroupGoesAfterIt) {
  const auto groups = CpuGroups::open();
  if (!groups) {
    GTEST_SKIP() << "this machine's control groups cannot be used: " << groups.error().message();
  }
  SpawnRequest request;
  request.arguments = {"/bin/sleep", "60"};
  auto process = Process::spawn(request);
  ASSERT_TRUE(process) << process.error().message();
  const std::string group = "dormouse-" + std::to_string(process->pid());
  const Status placed = groups->place(process->pid(), 2000);
  EXPECT_TRUE(placed) << placed.error().message();
  const auto in = read_file("/proc/" + std::to_string(process->pid()) + "/cgroup", 1U << 20U);
  groups->remove(process->pid());  // does nothing: the process is in it
  const auto still = read_file("/proc/" + std::to_string(process->pid()) + "/cgroup", 1U << 20U);
  process->kill(SIGKILL);
  EXPECT_TRUE(process->wait(Context::with_timeout(std::chrono::seconds(10))));
  ASSERT_TRUE(in && still);
  EXPECT_THAT(*in, testing::HasSubstr("/" + group + "\n"));
  EXPECT_EQ(*in, *still);
  groups->remove(process->pid());
  const auto mounts = read_file("/proc/self/mounts", 1U << 20U);
  ASSERT_TRUE(mounts);
  EXPECT_FALSE(fs::exists(find_cpu_hierarchy(*mounts)->root / group));
}

}  // namespace
}  // namespace dormouse::os
