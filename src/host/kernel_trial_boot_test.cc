// SPDX-License-Identifier: Apache-2.0
//
// Boots the kernel of a real base, which must be in the cache: nothing there is changed.

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "engine/engine_store.h"
#include "engine/system_qemu.h"
#include "host/kernel_trial.h"
#include "network/egress_server.h"
#include "os/file.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr unsigned kUser = 204'999;
constexpr int kBootAttempts = 3;  // an emulated kernel can get stuck where it is kept from a processor
constexpr seconds kEmulatedTimeout{90};

os::Context patience() { return os::Context::with_timeout(std::chrono::minutes(5)); }

std::set<std::string> links() {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator("/sys/class/net")) {
    names.insert(entry.path().filename());
  }
  return names;
}

// Without those that the egress server's thread keeps from its first work on.
std::multiset<std::string> open_descriptors() {
  std::multiset<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string what = fs::read_symlink(entry.path(), error);
    if (what.rfind("anon_inode:[event", 0) != 0 && what.rfind("anon_inode:[timerfd", 0) != 0) {
      found.insert(what);
    }
  }
  return found;
}

class KernelTrialBoot : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root, to make network namespaces and taps";
    }
    const managed_base::ManagedBaseStore cache;
    const auto bases = cache.list();
    if (!bases || bases->empty()) {
      GTEST_SKIP() << "there is no managed base in /var/cache/dormouse: `dormouse base build` makes one";
    }
    std::string name = "/var/tmp/kernel-trial-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    auto egress = network::EgressServer::start({});
    ASSERT_TRUE(egress) << egress.error().message();
    egress_ = *std::move(egress);
    support_.reset(new GuestSupport{launcher(), root_, *egress_});
    engines_ = std::make_unique<engine::EngineStore>(root_ / "engines");
    prepare(bases->front());
  }
  void TearDown() override {
    if (!root_.empty()) {
      fs::remove_all(root_);
    }
  }

  static std::string launcher() { return std::string(DM_PROGRAMS) + "/dormouse-vmm-launch"; }

  void prepare(const managed_base::ManagedBase& base) {
    engine::SystemQemu system;
    system.program = "/usr/bin/qemu-system-x86_64";
    system.launcher = launcher();
    system.template_shim = std::string(DM_PROGRAMS) + "/libdormouse-template-shim.so";
    system.data_directory = root_;
    system.user = kUser;
    const auto engine = engines_->choose_current(engine::EngineStore::maker_for(system, patience()), patience());
    ASSERT_TRUE(engine) << engine.error().message();
    const managed_base::ManagedBaseStore own(root_ / "cache");
    const auto initramfs = own.initramfs(base, std::string(DM_PROGRAMS) + "/dormouse-agent");
    ASSERT_TRUE(initramfs) << initramfs.error().message();
    const auto disk = own.blank_disk(64U << 20U, patience());
    ASSERT_TRUE(disk) << disk.error().message();
    trial_.engine = *engine;
    trial_.platform.acceleration = vmm::Acceleration::kTcg;
    trial_.platform.tsc_khz = vmm::measure_tsc_khz();
    trial_.base = base;
    trial_.initramfs = *initramfs;
    trial_.blank_disk = *disk;
    trial_.directory = root_ / "trial";
    trial_.user = kUser;
    trial_.timeout = kEmulatedTimeout;
  }

  // The trial's answer; neither process nor file, link or descriptor may be left.
  Result<std::optional<std::string>> run(const os::Context& context = patience()) {
    const std::set<std::string> links_before = links();
    const std::multiset<std::string> descriptors_before = open_descriptors();
    auto tried = try_kernel(*support_, trial_, context);
    EXPECT_FALSE(fs::exists(trial_.directory));
    EXPECT_EQ(links(), links_before);
    EXPECT_EQ(open_descriptors(), descriptors_before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
    EXPECT_EQ(errno, ECHILD);
    return tried;
  }

  // That the trial is refused within its time, and why.
  std::string refusal() {
    const auto begun = SteadyTime::clock::now();
    const auto tried = run();
    EXPECT_LT(SteadyTime::clock::now() - begun, trial_.timeout + seconds(10));
    if (!tried || !*tried) {
      ADD_FAILURE() << (tried ? "it booted" : tried.error().message());
      return {};
    }
    std::cout << "refused: " << **tried << "\n";
    return **tried;
  }

  fs::path root_;
  std::unique_ptr<network::EgressServer> egress_;
  std::unique_ptr<GuestSupport> support_;
  std::unique_ptr<engine::EngineStore> engines_;
  KernelTrial trial_;
};

TEST_F(KernelTrialBoot, KernelOfTheBaseBootsEmulatedAndNothingIsLeft) {
  auto tried = run();
  for (int attempt = 1; attempt < kBootAttempts && tried && *tried; ++attempt) {
    tried = run();
  }
  ASSERT_TRUE(tried) << tried.error().message();
  EXPECT_EQ(*tried, std::nullopt);
}

TEST_F(KernelTrialBoot, KernelThatPanicsIsRefused) {
  const auto whole = os::read_file(trial_.initramfs, 256U << 20U);
  ASSERT_TRUE(whole) << whole.error().message();
  trial_.initramfs = root_ / "truncated.cpio";
  std::ofstream(trial_.initramfs) << whole->substr(0, 4096);  // there is no /init in it
  EXPECT_EQ(refusal().rfind("its VMM ended before the guest answered", 0), 0U);
}

TEST_F(KernelTrialBoot, GuestThatSaysNothingIsRefusedAtTheDeadline) {
  trial_.timeout = seconds(1);  // emulated, no agent runs by then
  EXPECT_EQ(refusal().rfind("its guest did not answer within 1 s", 0), 0U);
}

TEST_F(KernelTrialBoot, EndOfTheCallersTimeIsNoVerdict) {
  const auto tried = run(os::Context::with_timeout(std::chrono::milliseconds(500)));
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().kind(), ErrorKind::kDeadlineExceeded) << tried.error().message();
}

TEST_F(KernelTrialBoot, WhatCannotBeTriedIsNoVerdict) {
  trial_.initramfs = root_ / "none";
  const auto tried = run();
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().kind(), ErrorKind::kNotFound) << tried.error().message();
}

// A /dev/kvm that everybody may open, for this thread and the processes it starts: the machine's may be root's alone, which is
// not what this is about. Why not, where that cannot be had.
std::string open_kvm_for_all(const fs::path& directory) {
  const fs::path device = directory / "kvm";
  fs::create_directories(directory);
  struct stat machines{};
  if (::stat("/dev/kvm", &machines) != 0) {
    return "there is no /dev/kvm";
  }
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", directory.c_str(), "tmpfs", 0, nullptr) != 0 ||
      ::mknod(device.c_str(), S_IFCHR | 0666, machines.st_rdev) != 0 || ::chmod(device.c_str(), 0666) != 0 ||
      ::mount(device.c_str(), "/dev/kvm", nullptr, MS_BIND, nullptr) != 0 ||
      ::umount2(directory.c_str(), MNT_DETACH) != 0) {
    return "no /dev/kvm of its own can be had: " + Error::from_errno(errno, "mount").message();
  }
  return {};
}

TEST_F(KernelTrialBoot, KvmThatRunsNoLoopIsRefused) {
  if (const std::string reason = open_kvm_for_all(root_ / "device"); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const auto probed = vmm::choose_acceleration("auto", launcher(), patience());
  ASSERT_TRUE(probed) << probed.error().message();
  if (probed->acceleration == vmm::Acceleration::kKvm) {
    GTEST_SKIP() << "KVM works here as far as a loop can tell: " << probed->reason;
  }
  std::cout << "the probe: " << probed->reason << "\n";
  trial_.platform.acceleration = vmm::Acceleration::kKvm;
  trial_.timeout = kTrialTimeout;
  EXPECT_NE(refusal(), "");
}

}  // namespace
}  // namespace dormouse::host
