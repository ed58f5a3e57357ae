// SPDX-License-Identifier: Apache-2.0

#include "cli/checks.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/programs.h"
#include "cli/terminal.h"
#include "managed_base/managed_base.h"
#include "os/command.h"
#include "os/cpu_groups.h"
#include "os/file.h"
#include "vmm/acceleration.h"

namespace dormouse::cli {
namespace {

namespace fs = std::filesystem;
using Verdict = Check::Verdict;

constexpr std::uint64_t kGibibyte = 1ULL << 30U;
constexpr std::uint64_t kDiskBytesNeeded = 6 * kGibibyte;    // a managed base, and an image being built
constexpr std::uint64_t kMemoryBytesNeeded = 3 * kGibibyte;  // a builder guest

// "VmRSS" -> the rest of its line in a file such as /proc/meminfo; empty if there is none.
std::string proc_field(const char* path, std::string_view name) {
  const auto text = os::read_file(path);
  if (!text) {
    return "";
  }
  const std::string key = std::string(name) + ":";
  const auto begin = text->starts_with(key) ? 0 : text->find("\n" + key);
  if (begin == std::string::npos) {
    return "";
  }
  const auto value = text->find(':', begin) + 1;
  const std::string line = text->substr(value, text->find('\n', value) - value);
  const auto first = line.find_first_not_of(" \t");
  return first == std::string::npos ? "" : line.substr(first);
}

template <typename Number>
Number parsed(std::string_view text, int base = 10) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

// The nearest directory above `path`, or itself, that exists.
fs::path existing(fs::path path) {
  std::error_code error;
  while (!path.empty() && path != path.root_path() && !fs::exists(path, error)) {
    path = path.parent_path();
  }
  return path;
}

}  // namespace

Check check_root() {
  Check check{.name = "root", .verdict = Verdict::kGood, .found = "yes", .remedy = ""};
  if (::geteuid() != 0) {
    check.verdict = Verdict::kBad;
    check.found = fmt::format("user {}", ::geteuid());
    check.remedy = "run dormoused (and this check) as root: it makes namespaces, taps and mounts";
  }
  return check;
}

std::vector<std::string> missing_capabilities(std::uint64_t effective) {
  constexpr std::array<std::pair<unsigned, const char*>, 8> kNeeded = {{
      {CAP_CHOWN, "CAP_CHOWN"},
      {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
      {CAP_KILL, "CAP_KILL"},
      {CAP_SETUID, "CAP_SETUID"},
      {CAP_SETGID, "CAP_SETGID"},
      {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
      {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
      {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
  }};
  std::vector<std::string> missing;
  for (const auto& [number, name] : kNeeded) {
    if ((effective >> number & 1U) == 0) {
      missing.emplace_back(name);
    }
  }
  return missing;
}

Check check_capabilities() {
  Check check{.name = "capabilities", .verdict = Verdict::kGood, .found = "all that are needed", .remedy = ""};
  const auto effective = parsed<std::uint64_t>(proc_field("/proc/self/status", "CapEff"), 16);
  if (const auto missing = missing_capabilities(effective); !missing.empty()) {
    check.verdict = Verdict::kBad;
    check.found = fmt::format("without {}", fmt::join(missing, ", "));
    check.remedy = "run as root outside of a container, or give the container these capabilities";
  }
  return check;
}

Check check_tun() {
  Check check{.name = "/dev/net/tun", .verdict = Verdict::kGood, .found = "opens", .remedy = ""};
  const auto device = os::open_file("/dev/net/tun", O_RDWR);
  if (!device) {
    check.verdict = Verdict::kBad;
    check.found = device.error().message();
    check.remedy = "modprobe tun; in a container: mkdir -p /dev/net && mknod /dev/net/tun c 10 200";
  }
  return check;
}

Check check_namespaces(const os::Context& context) {
  Check check{
      .name = "network namespaces", .verdict = Verdict::kGood, .found = "rules load in a new one", .remedy = ""};
  const std::string nft = find_program("nft");
  const std::string unshare = find_program("unshare");
  if (nft.empty() || unshare.empty()) {
    check.verdict = Verdict::kBad;
    check.found = "no nft";
    check.remedy = "apt-get install nftables util-linux";
    return check;
  }
  const os::Command command{.arguments = {unshare,
                                          "--net",
                                          nft,
                                          "add table inet dormouse_probe; add chain inet dormouse_probe out "
                                          "{ type nat hook prerouting priority 0; }"},
                            .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}};
  const auto done = os::run_for_output(command, 1U << 16U, context.within(std::chrono::seconds(20)));
  if (!done) {
    check.verdict = Verdict::kBad;
    check.found = done.error().message();
    check.remedy = "allow network namespaces (root, CAP_SYS_ADMIN) and load the kernel's nf_tables and nft_nat modules";
  }
  return check;
}

std::pair<int, int> qemu_version(std::string_view text) {
  constexpr std::string_view kMark = "version ";
  const auto found = text.find(kMark);
  if (found == std::string_view::npos) {
    return {0, 0};
  }
  const std::string_view version = text.substr(found + kMark.size());
  const auto dot = version.find('.');
  if (dot == std::string_view::npos) {
    return {0, 0};
  }
  return {parsed<int>(version.substr(0, dot)), parsed<int>(version.substr(dot + 1))};
}

Check check_qemu(const os::Context& context) {
  Check check{.name = "QEMU", .verdict = Verdict::kBad, .found = "", .remedy = "apt-get install qemu-system-x86"};
  const std::string program = find_program("qemu-system-x86_64");
  if (program.empty()) {
    check.found = "no qemu-system-x86_64";
    return check;
  }
  const os::Context limit = context.within(std::chrono::seconds(20));
  const auto version = os::run_for_output({.arguments = {program, "--version"}, .environment = {}}, 1U << 16U, limit);
  const auto machines = os::run_for_output({.arguments = {program, "-M", "help"}, .environment = {}}, 1U << 20U, limit);
  if (!version || !machines) {
    check.found = (version ? machines : version).error().message();
    return check;
  }
  const auto number = qemu_version(*version);
  check.found = fmt::format("{} {}.{}", program, number.first, number.second);
  if (number < std::pair{7, 2}) {
    check.remedy = "QEMU 7.2 or later is needed: Debian 12 has it";
  } else if (machines->find("\nmicrovm") == std::string::npos) {
    check.found += " without the machine microvm";
  } else {
    check.verdict = Verdict::kGood;
    check.remedy.clear();
  }
  return check;
}

std::vector<Check> check_programs() {
  constexpr std::array<std::pair<const char*, const char*>, 6> kNeeded = {{
      {"mmdebstrap", "mmdebstrap"},
      {"buildah", "buildah"},
      {"mke2fs", "e2fsprogs"},
      {"depmod", "kmod"},
      {"qemu-img", "qemu-utils"},
      {"apt-get", "apt"},
  }};
  std::vector<Check> checks;
  for (const auto& [program, package] : kNeeded) {
    Check check{.name = program, .verdict = Verdict::kGood, .found = find_program(program), .remedy = ""};
    if (check.found.empty()) {
      check.verdict = Verdict::kBad;
      check.found = "not found";
      check.remedy = fmt::format("apt-get install {}", package);
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

Check check_disk(const Profile& profile) {
  Check check{.name = "disk space", .verdict = Verdict::kGood, .found = "", .remedy = ""};
  for (const fs::path& wanted : {profile.data_directory, fs::path("/var/cache/dormouse")}) {
    const fs::path path = existing(wanted);
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) {
      continue;
    }
    const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    check.found += fmt::format(
        "{}{} free at {}", check.found.empty() ? "" : ", ", size_text(static_cast<double>(free)), path.string());
    if (free < kDiskBytesNeeded) {
      check.verdict = Verdict::kBad;
      check.remedy =
          fmt::format("a managed base and a build need {}", size_text(static_cast<double>(kDiskBytesNeeded)));
    }
  }
  return check;
}

Check check_memory() {
  const auto bytes = parsed<std::uint64_t>(proc_field("/proc/meminfo", "MemAvailable")) * 1024;
  Check check{.name = "memory",
              .verdict = Verdict::kGood,
              .found = size_text(static_cast<double>(bytes)) + " available",
              .remedy = ""};
  if (bytes < kMemoryBytesNeeded) {
    check.verdict = Verdict::kBad;
    check.remedy =
        fmt::format("the guest that builds an image needs {}", size_text(static_cast<double>(kMemoryBytesNeeded)));
  }
  return check;
}

Check check_acceleration(const os::Context& context) {
  Check check{.name = "acceleration", .verdict = Verdict::kNote, .found = "", .remedy = ""};
  const std::string launcher = find_own_program("dormouse-vmm-launch", "vmm");
  if (launcher.empty()) {
    check.found = "cannot be told: dormouse-vmm-launch is not beside this program";
    check.remedy = "install or build Dormouse as a whole";
    check.verdict = Verdict::kBad;
    return check;
  }
  const auto verdict = vmm::choose_acceleration("auto", launcher, context);
  if (!verdict) {
    check.verdict = Verdict::kBad;
    check.found = verdict.error().message();
    return check;
  }
  check.found = fmt::format("{}: {}", vmm::to_string(verdict->acceleration), verdict->reason);
  if (verdict->acceleration == vmm::Acceleration::kKvm) {
    check.verdict = Verdict::kGood;
    check.found += "; the daemon also tries the base's kernel, once";
  } else {
    check.remedy = "works, ten times slower; a host with hardware virtualisation has /dev/kvm";
  }
  return check;
}

Check check_overlay() {
  Check check{.name = "overlay file system", .verdict = Verdict::kGood, .found = "in the kernel", .remedy = ""};
  const auto known = os::read_file("/proc/filesystems");
  if (!known || known->find("\toverlay\n") == std::string::npos) {
    check.verdict = Verdict::kNote;
    check.found = "not loaded";
    check.remedy = "modprobe overlay";
  }
  return check;
}

Check check_cgroups() {
  Check check{.name = "cgroups", .verdict = Verdict::kGood, .found = "v2", .remedy = ""};
  struct statfs info{};
  if (::statfs("/sys/fs/cgroup", &info) != 0) {
    check.verdict = Verdict::kNote;
    check.found = "none";
    check.remedy = "VMs run without limits on the host's side";
  } else if (info.f_type != CGROUP2_SUPER_MAGIC) {
    std::error_code error;
    const bool hybrid = fs::exists("/sys/fs/cgroup/unified", error);
    check.verdict = Verdict::kNote;
    check.found = hybrid ? "v1 with an empty v2 tree" : "v1";
    check.remedy = "guests have v2 of their own; nothing to do";
  }
  return check;
}

Check check_shares() {
  Check check{.name = "processor shares", .verdict = Verdict::kGood, .found = "", .remedy = ""};
  const auto groups = os::CpuGroups::open();
  if (groups) {
    check.found = fmt::format("by a MicroVM's size, through {}", os::to_string(groups->version()));
  } else {
    check.verdict = Verdict::kNote;
    check.found = "none by size: " + groups.error().message();
    check.remedy =
        "all virtual processors weigh the same; a control group with the cpu controller that root may write to";
  }
  return check;
}

Check check_base() {
  Check check{.name = "managed base",
              .verdict = Verdict::kNote,
              .found = "none yet",
              .remedy = "the daemon makes one when it starts; or: dormouse base build"};
  const auto bases = managed_base::ManagedBaseStore().list();
  if (bases && !bases->empty()) {
    check.verdict = Verdict::kGood;
    check.found = fmt::format("{} in {}", bases->size(), bases->front().directory.parent_path().string());
    check.remedy.clear();
  } else if (!bases) {
    check.found = bases.error().message();
  }
  return check;
}

std::vector<Check> all_checks(const Profile& profile, const os::Context& context) {
  std::vector<Check> checks = {
      check_root(), check_capabilities(), check_tun(), check_namespaces(context), check_qemu(context)};
  for (Check& check : check_programs()) {
    checks.push_back(std::move(check));
  }
  checks.push_back(check_names());
  checks.push_back(check_disk(profile));
  checks.push_back(check_memory());
  checks.push_back(check_overlay());
  checks.push_back(check_cgroups());
  checks.push_back(check_shares());
  checks.push_back(check_acceleration(context));
  checks.push_back(check_base());
  checks.push_back(check_engine(profile));
  checks.push_back(check_daemon(profile, context));
  return checks;
}

}  // namespace dormouse::cli
