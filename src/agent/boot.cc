// SPDX-License-Identifier: Apache-2.0

#include "agent/boot.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <map>
#include <sstream>

#include "agent/cgroup.h"
#include "agent/container.h"
#include "agent/interfaces.h"
#include "agent/process.h"
#include "agent/timer_check.h"
#include "base/clock.h"
#include "os/file.h"

namespace dormouse::agent {

using protocol::Role;

namespace {

constexpr std::string_view kNewRoot = "/new";
constexpr std::string_view kContainersDirectory = "/var/lib/dormouse/containers";
constexpr std::chrono::seconds kDiskTimeout{20};
constexpr rlim_t kDescriptorsMax = 16384;

Status mount_on(const std::string& source,
                const std::string& target,
                const char* type,
                unsigned long flags,
                const char* options = nullptr) {
  if (::mount(source.c_str(), target.c_str(), type, flags, options) != 0) {
    return fail_errno("mount " + source + " on " + target);
  }
  return {};
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail_errno("make directory " + path);
  }
  return {};
}

Status mount_kernel_file_systems() {
  for (const char* const path : {"/proc", "/sys", "/dev"}) {
    DM_TRY(make_directory(path), "");
  }
  DM_TRY(mount_on("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC), "");
  DM_TRY(mount_on("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC), "");
  return mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
}

// Messages go to the console and nothing comes in: an initramfs without /dev/console leaves 0, 1 and 2 closed.
Status open_console() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd output(::open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC));
  const int target = output ? output.get() : null.get();
  if (!null || ::dup2(null.get(), STDIN_FILENO) < 0 || ::dup2(target, STDOUT_FILENO) < 0 ||
      ::dup2(target, STDERR_FILENO) < 0) {
    return fail_errno("open the console");
  }
  return {};
}

void load_modules() {
  const auto order = os::read_file("/modules/order", 65536);
  if (!order) {
    console("no modules: " + order.error().message());
    return;
  }
  std::istringstream lines(*order);
  for (std::string name; std::getline(lines, name);) {
    if (name.empty()) {
      continue;
    }
    const UniqueFd module(::open(("/modules/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!module || (::syscall(SYS_finit_module, module.get(), "", 0) != 0 && errno != EEXIST)) {
      console("module " + name + ": " + Error::from_errno(errno, "load").message());
    }
  }
}

Result<Role> role_from_command_line() {
  DM_ASSIGN(const std::string line, os::read_file("/proc/cmdline", 65536), "");
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (word == "dormouse.role=application") {
      return Role::kApplication;
    }
    if (word == "dormouse.role=builder") {
      return Role::kBuilder;
    }
  }
  return fail(ErrorKind::kInvalidArgument, "the kernel command line names no dormouse.role (application or builder)");
}

// "dormouse.timer=any" on the kernel's command line: wrong timers are better than none, since none better could be had.
bool takes_any_timer() {
  const auto line = os::read_file("/proc/cmdline", 65536);
  return line && (" " + *line).find(" dormouse.timer=any") != std::string::npos;
}

// Ends the machine at once, without asking any part of the kernel that might wait for something.
[[noreturn]] void reset_machine() {
  (void)write_kernel_file("/proc/sysrq-trigger", "b");
  ::_exit(1);  // the kernel panics without its PID 1
}

// A guest whose timers are wrong would be copied into every clone. Another boot has another chance.
void insist_on_timers() {
  const auto list = os::read_file("/proc/timer_list", std::size_t{1} << 20);
  const Timers timers = list ? judge_timers(*list) : Timers::kSound;
  if (timers == Timers::kSound || (timers == Timers::kWrong && takes_any_timer())) {
    return;
  }
  console(timers == Timers::kStopped ? "the kernel does without its timer: it had no processor while it measured it"
                                     : "the kernel's timer is wrong: it had no processor while it measured it");
  reset_machine();
}

// Block devices by virtio serial, e.g. "root" -> "/dev/vda".
std::map<std::string, std::string> find_disks() {
  std::map<std::string, std::string> disks;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ignored)) {
    const std::string name = entry.path().filename();
    const auto serial = os::read_file(entry.path() / "serial", 64);
    if (name.starts_with("vd") && serial) {
      disks[serial->substr(0, serial->find_last_not_of("\n ") + 1)] = "/dev/" + name;
    }
  }
  return disks;
}

Result<std::map<std::string, std::string>> wait_for_disks() {
  const SteadyTime deadline = SteadyTime::clock::now() + kDiskTimeout;
  for (;;) {
    auto disks = find_disks();
    if (disks.contains("root") && disks.contains("application") && disks.contains("containers")) {
      return disks;
    }
    if (SteadyTime::clock::now() >= deadline) {
      std::string found;
      for (const auto& [serial, device] : disks) {
        found += " " + serial + "=" + device;
      }
      return fail(ErrorKind::kNotFound, "need disks with serials root, containers and application, found:" + found);
    }
    const timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

// The read-only root; a builder's is made writable by a layer in memory, gone with the machine.
Status mount_root(const std::string& device, Role role) {
  const std::string target(kNewRoot);
  DM_TRY(make_directory(target), "");
  if (role == Role::kApplication) {
    return mount_on(device, target, "ext4", MS_RDONLY | MS_NODEV);
  }
  DM_TRY(make_directory("/lower"), "");
  DM_TRY(make_directory("/layer"), "");
  DM_TRY(mount_on(device, "/lower", "ext4", MS_RDONLY | MS_NODEV), "");
  DM_TRY(mount_on("tmpfs", "/layer", "tmpfs", 0, "mode=755"), "");
  DM_TRY(make_directory("/layer/upper"), "");
  DM_TRY(make_directory("/layer/work"), "");
  return mount_on("overlay", target, "overlay", 0, "lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work");
}

// Removes everything of the initramfs, whose files are memory: `directory` and what is on its device.
void remove_contents(int directory, dev_t device) {
  DIR* const stream = ::fdopendir(directory);
  if (stream == nullptr) {
    ::close(directory);
    return;
  }
  while (const dirent* const entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    struct stat status{};
    if (name == "." || name == ".." || ::fstatat(::dirfd(stream), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        status.st_dev != device) {
      continue;
    }
    if (S_ISDIR(status.st_mode)) {
      const int child = ::openat(::dirfd(stream), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (child >= 0) {
        remove_contents(child, device);
      }
      ::unlinkat(::dirfd(stream), name.c_str(), AT_REMOVEDIR);
    } else {
      ::unlinkat(::dirfd(stream), name.c_str(), 0);
    }
  }
  ::closedir(stream);
}

Status switch_root() {
  const std::string root(kNewRoot);
  for (const char* const path : {"/proc", "/sys", "/dev"}) {
    if (::mount(path, (root + path).c_str(), nullptr, MS_MOVE, nullptr) != 0) {
      return fail_errno("move " + std::string(path) + " to the new root");
    }
  }
  UniqueFd old_root(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status{};
  if (!old_root || ::fstat(old_root.get(), &status) != 0) {
    return fail_errno("open the initramfs");
  }
  if (::chdir(root.c_str()) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
      ::chdir("/") != 0) {
    return fail_errno("switch to the new root");
  }
  remove_contents(old_root.release(), status.st_dev);
  return {};
}

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Status mount_memory_file_systems(Role role) {
  DM_TRY(mount_on("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "");
  DM_TRY(make_directory(std::string(kRunDirectory)), "");
  DM_TRY(make_directory("/dev/pts"), "");
  DM_TRY(make_directory("/dev/shm"), "");
  DM_TRY(make_directory("/dev/mqueue"), "");
  DM_TRY(mount_on("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666"), "");
  DM_TRY(mount_on("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"), "");
  DM_TRY(mount_on("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC), "");
  DM_TRY(mount_on("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"), "");
  for (const char* const path : {"/var/tmp", "/root", "/var/lib/containers"}) {
    if (role == Role::kApplication && is_directory(path)) {
      DM_TRY(
          mount_on("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, path == std::string("/root") ? "mode=700" : nullptr),
          "");
    }
  }
  return {};
}

Status mount_control_groups() {
  DM_TRY(mount_on("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC), "");
  DM_ASSIGN(const std::string controllers, os::read_file("/sys/fs/cgroup/cgroup.controllers", 4096), "");
  std::istringstream names(controllers);
  for (std::string name; names >> name;) {
    if (const auto enabled = write_kernel_file("/sys/fs/cgroup/cgroup.subtree_control", "+" + name); !enabled) {
      console("control group: " + enabled.error().message());
    }
  }
  return {};
}

Status mount_disks(const std::map<std::string, std::string>& disks) {
  DM_TRY(mount_on(disks.at("containers"), std::string(kContainersDirectory), "ext4", MS_RDONLY | MS_NODEV), "");
  return mount_on(disks.at("application"), std::string(kApplicationDirectory), "ext4", 0);
}

// Not needed by everything, so that a root file system without the file in question still boots.
void set_switches() {
  constexpr std::pair<const char*, const char*> kSwitches[]{
      {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},  // as in a container of Docker's
      {"/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1"},      // there is no IPv6 beyond the guest
  };
  for (const auto& [path, value] : kSwitches) {
    if (const auto written = write_kernel_file(path, value); !written) {
      console(written.error().message());
    }
  }
  constexpr std::string_view kHostname = "localhost";
  if (::sethostname(kHostname.data(), kHostname.size()) != 0) {
    console("cannot set the hostname");
  }
  const std::string own = std::string(kRunDirectory) + "/resolv.conf";
  const auto written = os::publish_file(own, "nameserver 10.0.2.2\n", 0644, os::Durability::kVolatile);
  if (!written || ::mount(own.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0) {
    console("/etc/resolv.conf is not ours: " +
            (written ? Error::from_errno(errno, "mount") : written.error()).message());
  }
}

}  // namespace

void console(std::string_view line) {
  const std::string text = "dormouse-agent: " + std::string(line) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

Result<Role> boot() {
  DM_TRY(mount_kernel_file_systems(), "");
  DM_TRY(open_console(), "");
  insist_on_timers();
  DM_TRY(protect_from_out_of_memory(true), "");
  DM_ASSIGN(const Role role, role_from_command_line(), "");
  load_modules();
  DM_ASSIGN(const auto disks, wait_for_disks(), "");
  DM_TRY(mount_root(disks.at("root"), role), "");
  DM_TRY(switch_root(), "");
  DM_TRY(mount_memory_file_systems(role), "");
  DM_TRY(mount_control_groups(), "");
  DM_TRY(mount_disks(disks), "");
  const rlimit descriptors{kDescriptorsMax, kDescriptorsMax};
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) {
    return fail_errno("setrlimit RLIMIT_NOFILE");
  }
  DM_TRY(bring_up_interfaces(), "");
  set_switches();
  return role;
}

Status settle_disks() {
  ::kill(-1, SIGKILL);
  const SteadyTime deadline = SteadyTime::clock::now() + std::chrono::seconds(5);
  for (;;) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid < 0 || SteadyTime::clock::now() > deadline) {
      break;
    }
    if (pid == 0) {
      const timespec pause{0, 2'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }
  ::umount2((bundle_directory() + "/rootfs").c_str(), 0);  // its upper layer is on the application disk
  const std::string disk(kApplicationDirectory);
  ::sync();
  if (::umount2(disk.c_str(), 0) == 0) {
    return {};
  }
  if (::mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    return fail_errno("unmount the application disk, or make it read-only");
  }
  return {};
}

void power_off() {
  ::sync();
  ::reboot(RB_POWER_OFF);
  ::reboot(RB_AUTOBOOT);
  for (;;) {
    ::pause();
  }
}

}  // namespace dormouse::agent
