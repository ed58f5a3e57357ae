// SPDX-License-Identifier: Apache-2.0

#include "agent/container.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "agent/image_config.h"
#include "agent/root_directory.h"
#include "agent/runtime_config.h"
#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::agent {
namespace {

constexpr std::size_t kImageConfigBytesMax = std::size_t{1} << 20;
constexpr std::size_t kUserFileBytesMax = std::size_t{1} << 20;
constexpr std::string_view kAddressPrefix = "10.0.2.15\t";  // of the line of /etc/hosts that names the guest
constexpr std::uint64_t kMemoryReserveMin = std::uint64_t{32} << 20;

std::string under(std::string_view directory, std::string_view name) {
  return std::string(directory) + "/" + std::string(name);
}

// MemTotal less what the kernel's caches, the agent and the runtime need when the application has taken all it may have.
std::uint64_t default_memory_max() {
  struct sysinfo info{};
  ::sysinfo(&info);
  const std::uint64_t total = std::uint64_t{info.totalram} * info.mem_unit;
  return total - std::min(total / 2, std::max(kMemoryReserveMin, total / 64));
}

// Mounts the layers as one tree. The kernel takes one page of options, so that the layers are named by short links and a
// current directory.
Status mount_layers(const ImageConfig& image, const std::string& target) {
  const std::string links = under(kRunDirectory, "layers");
  const std::string upper = under(kApplicationDirectory, "run/upper");
  const std::string work = under(kApplicationDirectory, "run/work");
  for (const std::string& directory : {links, upper, work, target}) {
    DM_TRY(os::make_directories(directory, 0755), "");
  }
  std::string lower;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const std::string link = links + "/" + std::to_string(i);
    ::unlink(link.c_str());
    if (::symlink(image.layers[i].c_str(), link.c_str()) != 0) {
      return fail_errno("link " + link);
    }
    if (::access((link + "/").c_str(), F_OK) != 0) {
      return fail_errno("layer " + image.layers[i]);
    }
    lower += (i == 0 ? "" : ":") + std::to_string(i);
  }
  const std::string options = "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work;
  if (::chdir(links.c_str()) != 0) {
    return fail_errno("enter " + links);
  }
  const ScopeExit go_back([] { [[maybe_unused]] const int ignored = ::chdir("/"); });
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0) {
    return fail_errno("mount the image's " + std::to_string(image.layers.size()) + " layers");
  }
  return {};
}

std::string files_directory() { return under(kRunDirectory, "files"); }

// An id of this boot's own, until the host gives another: a snapshot's clones share it no longer than that.
Result<std::string> random_machine_id() {
  DM_ASSIGN(std::string id, os::read_file("/proc/sys/kernel/random/uuid", 64), "make a machine id");
  std::erase_if(id, [](char c) { return c == '-' || c == '\n'; });
  return id;
}

Status write_files(const std::string& directory, const std::string& hostname) {
  DM_TRY(os::make_directories(directory, 0755), "");
  const std::string hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
                            std::string(kAddressPrefix) + hostname + "\n";
  DM_ASSIGN(const std::string machine_id, random_machine_id(), "");
  constexpr mode_t kMode = 0644;
  DM_TRY(os::publish_file(directory + "/resolv.conf", "nameserver 10.0.2.2\n", kMode, os::Durability::kVolatile), "");
  DM_TRY(os::publish_file(directory + "/hosts", hosts, kMode, os::Durability::kVolatile), "");
  DM_TRY(os::publish_file(directory + "/machine-id", machine_id + "\n", kMode, os::Durability::kVolatile), "");
  return os::publish_file(directory + "/hostname", hostname + "\n", kMode, os::Durability::kVolatile);
}

// In place: the application has the file itself bound to its name.
Status rewrite(const std::string& path, std::string_view content) {
  DM_ASSIGN(const UniqueFd file, os::open_file(path, O_WRONLY | O_TRUNC), "");
  return os::write_all(file.get(), content, path);
}

int last_capability() {
  int last = 40;
  if (const auto text = os::read_file("/proc/sys/kernel/cap_last_cap", 64)) {
    std::from_chars(text->data(), text->data() + text->size(), last);
  }
  return last;
}

Answered<UserIds> find_user(const RootDirectory& root, const std::string& user) {
  const auto passwd = root.read("/etc/passwd", kUserFileBytesMax);
  if (!passwd) {
    return refuse("no_such_user", passwd.error());
  }
  const auto group = root.read("/etc/group", kUserFileBytesMax);
  if (!group) {
    return refuse("no_such_group", group.error());
  }
  return resolve_user(user, *passwd, *group);
}

}  // namespace

std::string bundle_directory() { return under(kRunDirectory, "bundle"); }
std::string runtime_log_path() { return under(kRunDirectory, "crun.log"); }
std::string pid_file_path() { return under(kRunDirectory, "pid"); }

std::vector<std::string> runtime_arguments() {
  return {"crun", "--cgroup-manager=cgroupfs", "--root=" + under(kRunDirectory, "crun"), "--log=" + runtime_log_path()};
}

Status write_hostname(const std::string& hostname) {
  DM_TRY(rewrite(under(files_directory(), "hostname"), hostname + "\n"), "");
  // The application may have added lines of its own to /etc/hosts: they stay.
  const std::string path = under(files_directory(), "hosts");
  DM_ASSIGN(const std::string hosts, os::read_file(path, kUserFileBytesMax), "");
  std::istringstream lines(hosts);
  std::string renamed;
  for (std::string line; std::getline(lines, line);) {
    renamed += (line.starts_with(kAddressPrefix) ? std::string(kAddressPrefix) + hostname : line) + "\n";
  }
  return rewrite(path, renamed);
}

Status write_machine_id(const std::string& id) { return rewrite(under(files_directory(), "machine-id"), id + "\n"); }

Answered<UserIds> prepare_container(const protocol::StartApplication& request) {
  const auto text = os::read_file(under(kApplicationDirectory, "application.json"), kImageConfigBytesMax);
  if (!text) {
    return refuse("no_image", text.error());
  }
  const auto image = ImageConfig::parse(*text);
  if (!image) {
    return tl::unexpected(image.error());
  }
  const std::string root_path = bundle_directory() + "/rootfs";
  if (const auto mounted = mount_layers(*image, root_path); !mounted) {
    return refuse("no_layer", mounted.error());
  }
  const auto root = RootDirectory::open(root_path);
  if (!root) {
    return refuse("internal", root.error());
  }
  auto user = find_user(*root, image->user);
  if (!user) {
    return user;
  }
  if (const auto made = root->make_directories(image->working_directory); !made) {
    return refuse("no_working_directory", made.error());
  }
  RuntimePlan plan;
  plan.arguments = image->arguments();
  plan.environment = merge_environment(*image, request, user->home);
  plan.working_directory = image->working_directory;
  plan.user = *user;
  plan.hostname = request.hostname;
  plan.memory_max_bytes = request.memory_max_bytes.value_or(default_memory_max());
  plan.all_capabilities = request.all_capabilities;
  plan.last_capability = last_capability();
  plan.fuse = ::access("/dev/fuse", F_OK) == 0;
  plan.cgroup_path = kCgroupPath;
  plan.files_directory = files_directory();
  if (const auto checked =
          root->check_executable(plan.arguments.front(), value_of(plan.environment, "PATH"), plan.working_directory);
      !checked) {
    return tl::unexpected(checked.error());
  }
  if (const auto written = write_files(plan.files_directory, plan.hostname); !written) {
    return refuse("internal", written.error());
  }
  if (const auto written = os::publish_file(
          bundle_directory() + "/config.json", make_runtime_config(plan), 0600, os::Durability::kVolatile);
      !written) {
    return refuse("internal", written.error());
  }
  return user;
}

}  // namespace dormouse::agent
