// SPDX-License-Identifier: Apache-2.0

#include "os/cpu_groups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "os/file.h"

namespace dormouse::os {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "dormouse-";
constexpr std::size_t kFileBytesMax = 1U << 20U;
constexpr int kAttempts = 3;  // another process may sweep a group away while it is empty

bool has_word(const std::string& text, char separator, std::string_view wanted) {
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, separator);) {
    if (word == wanted) {
      return true;
    }
  }
  return false;
}

bool v2_has_cpu(const fs::path& root) {
  auto controllers = read_file(root / "cgroup.controllers", kFileBytesMax);
  if (!controllers) {
    return false;
  }
  std::ranges::replace(*controllers, '\n', ' ');
  return has_word(*controllers, ' ', "cpu");
}

// Into a file of the kernel's that is there already.
Status write_setting(const fs::path& path, const std::string& text) {
  DM_ASSIGN(const UniqueFd file, open_file(path, O_WRONLY), "");
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail_errno(fmt::format("write '{}' to {}", text, path.string()));
  }
  return {};
}

}  // namespace

std::string_view to_string(CpuHierarchy::Version version) {
  return version == CpuHierarchy::Version::kV2 ? "cgroup v2" : "cgroup v1";
}

unsigned share_value(CpuHierarchy::Version version, unsigned thousandths) {
  return version == CpuHierarchy::Version::kV2 ? std::clamp(thousandths / 10, 1U, 10'000U)
                                               : std::clamp(thousandths * 1024 / 1000, 2U, 262'144U);
}

std::optional<CpuHierarchy> find_cpu_hierarchy(std::string_view mounts) {
  std::optional<CpuHierarchy> v1;
  std::istringstream lines{std::string(mounts)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device, point, type, options;
    fields >> device >> point >> type >> options;
    if (type == "cgroup2" && v2_has_cpu(point)) {
      return CpuHierarchy{CpuHierarchy::Version::kV2, point};
    }
    if (type == "cgroup" && !v1 && has_word(options, ',', "cpu")) {
      v1 = CpuHierarchy{CpuHierarchy::Version::kV1, point};
    }
  }
  return v1;
}

Result<CpuGroups> CpuGroups::open() {
  DM_ASSIGN(const std::string mounts, read_file("/proc/self/mounts", kFileBytesMax), "");
  auto hierarchy = find_cpu_hierarchy(mounts);
  if (!hierarchy) {
    return fail(ErrorKind::kUnavailable, "no hierarchy of control groups that is mounted has the cpu controller");
  }
  CpuGroups groups(*std::move(hierarchy));
  groups.sweep();
  constexpr unsigned kOneProcessor = 1000;
  Status made = groups.make(groups.group_of(::getpid()), kOneProcessor);
  for (int attempt = 2; !made && attempt <= kAttempts; ++attempt) {
    made = groups.make(groups.group_of(::getpid()), kOneProcessor);
  }
  groups.remove(::getpid());
  if (!made) {
    return fail(ErrorKind::kUnavailable, std::move(made).error().message());
  }
  return groups;
}

fs::path CpuGroups::group_of(pid_t process) const { return hierarchy_.root / fmt::format("{}{}", kPrefix, process); }

Status CpuGroups::make(const fs::path& group, unsigned thousandths) const {
  if (hierarchy_.version == CpuHierarchy::Version::kV2) {
    DM_TRY(write_setting(hierarchy_.root / "cgroup.subtree_control", "+cpu"), "let groups have the cpu controller");
  }
  if (::mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail_errno("make " + group.string());
  }
  return set_share(group, thousandths);
}

Status CpuGroups::set_share(const fs::path& group, unsigned thousandths) const {
  const char* const setting = hierarchy_.version == CpuHierarchy::Version::kV2 ? "cpu.weight" : "cpu.shares";
  return write_setting(group / setting, std::to_string(share_value(hierarchy_.version, thousandths)));
}

Status CpuGroups::change(pid_t process, unsigned thousandths) const {
  return set_share(group_of(process), thousandths);
}

Status CpuGroups::place(pid_t process, unsigned thousandths) const {
  const fs::path group = group_of(process);
  for (int attempt = 1;; ++attempt) {
    Status placed = make(group, thousandths);
    if (placed) {
      placed = write_setting(group / "cgroup.procs", std::to_string(process));
    }
    if (placed || attempt == kAttempts) {
      return placed;
    }
  }
}

void CpuGroups::remove(pid_t process) const {
  // Fails while a process is in it, and when there is none: both are as they should be.
  (void)::rmdir(group_of(process).c_str());
}

void CpuGroups::sweep() const {
  std::error_code error;
  for (fs::directory_iterator entry(hierarchy_.root, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kPrefix)) {
      (void)::rmdir(entry->path().c_str());  // only those without processes go
    }
  }
}

}  // namespace dormouse::os
