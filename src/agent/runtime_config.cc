// SPDX-License-Identifier: Apache-2.0

#include "agent/runtime_config.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include <boost/json.hpp>

#include "agent/process.h"

namespace dormouse::agent {

namespace json = boost::json;

namespace {

// By number, capability.h of Linux 6.1.
constexpr std::array<std::string_view, 41> kCapabilities{"CAP_CHOWN",
                                                         "CAP_DAC_OVERRIDE",
                                                         "CAP_DAC_READ_SEARCH",
                                                         "CAP_FOWNER",
                                                         "CAP_FSETID",
                                                         "CAP_KILL",
                                                         "CAP_SETGID",
                                                         "CAP_SETUID",
                                                         "CAP_SETPCAP",
                                                         "CAP_LINUX_IMMUTABLE",
                                                         "CAP_NET_BIND_SERVICE",
                                                         "CAP_NET_BROADCAST",
                                                         "CAP_NET_ADMIN",
                                                         "CAP_NET_RAW",
                                                         "CAP_IPC_LOCK",
                                                         "CAP_IPC_OWNER",
                                                         "CAP_SYS_MODULE",
                                                         "CAP_SYS_RAWIO",
                                                         "CAP_SYS_CHROOT",
                                                         "CAP_SYS_PTRACE",
                                                         "CAP_SYS_PACCT",
                                                         "CAP_SYS_ADMIN",
                                                         "CAP_SYS_BOOT",
                                                         "CAP_SYS_NICE",
                                                         "CAP_SYS_RESOURCE",
                                                         "CAP_SYS_TIME",
                                                         "CAP_SYS_TTY_CONFIG",
                                                         "CAP_MKNOD",
                                                         "CAP_LEASE",
                                                         "CAP_AUDIT_WRITE",
                                                         "CAP_AUDIT_CONTROL",
                                                         "CAP_SETFCAP",
                                                         "CAP_MAC_OVERRIDE",
                                                         "CAP_MAC_ADMIN",
                                                         "CAP_SYSLOG",
                                                         "CAP_WAKE_ALARM",
                                                         "CAP_BLOCK_SUSPEND",
                                                         "CAP_AUDIT_READ",
                                                         "CAP_PERFMON",
                                                         "CAP_BPF",
                                                         "CAP_CHECKPOINT_RESTORE"};
constexpr std::uint64_t kDefaultCapabilities = 0xa80425fb;

json::string text(std::string_view value) { return json::string(value.data(), value.size()); }

json::array texts(std::initializer_list<std::string_view> values) {
  json::array array;
  for (const std::string_view value : values) {
    array.emplace_back(text(value));
  }
  return array;
}

json::array texts(const std::vector<std::string>& values) {
  json::array array;
  for (const std::string& value : values) {
    array.emplace_back(text(value));
  }
  return array;
}

json::array capabilities(const RuntimePlan& plan) {
  json::array names;
  for (std::size_t i = 0; i < kCapabilities.size(); ++i) {
    const bool wanted =
        plan.all_capabilities ? static_cast<int>(i) <= plan.last_capability : (kDefaultCapabilities >> i & 1U) != 0;
    if (wanted) {
      names.emplace_back(text(kCapabilities[i]));
    }
  }
  return names;
}

json::object process(const RuntimePlan& plan) {
  json::array additional;
  for (const std::uint32_t gid : plan.user.additional_gids) {
    additional.emplace_back(gid);
  }
  json::object user;
  user.emplace("uid", plan.user.uid);
  user.emplace("gid", plan.user.gid);
  user.emplace("additionalGids", std::move(additional));

  json::object sets;
  for (const char* const set : {"bounding", "effective", "permitted"}) {
    sets.emplace(set, capabilities(plan));
  }
  json::object limit;
  limit.emplace("type", "RLIMIT_NOFILE");
  limit.emplace("hard", 1024);
  limit.emplace("soft", 1024);
  json::array limits;
  limits.emplace_back(std::move(limit));

  json::object object;
  object.emplace("terminal", false);
  object.emplace("user", std::move(user));
  object.emplace("args", texts(plan.arguments));
  object.emplace("env", texts(plan.environment));
  object.emplace("cwd", plan.working_directory);
  object.emplace("capabilities", std::move(sets));
  object.emplace("rlimits", std::move(limits));
  object.emplace("noNewPrivileges", false);
  object.emplace("oomScoreAdj", 0);
  return object;
}

json::object mount(std::string_view destination,
                   std::string_view type,
                   std::string_view source,
                   std::initializer_list<std::string_view> options) {
  json::object object;
  object.emplace("destination", text(destination));
  object.emplace("type", text(type));
  object.emplace("source", text(source));
  object.emplace("options", texts(options));
  return object;
}

json::array mounts(const RuntimePlan& plan) {
  const std::string_view access = plan.all_capabilities ? "rw" : "ro";
  json::array array;
  array.emplace_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  array.emplace_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  array.emplace_back(mount(
      "/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  array.emplace_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  array.emplace_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  array.emplace_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  array.emplace_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}));
  for (const char* const name : {"resolv.conf", "hosts", "hostname", "machine-id"}) {
    array.emplace_back(
        mount(std::string("/etc/") + name, "bind", plan.files_directory + "/" + name, {"rbind", "rprivate"}));
  }
  return array;
}

json::object device_rule(
    bool allow, std::optional<int> major, std::optional<int> minor, std::string_view type, std::string_view access) {
  json::object object;
  object.emplace("allow", allow);
  if (!type.empty()) {
    object.emplace("type", text(type));
  }
  if (major) {
    object.emplace("major", *major);
  }
  if (minor) {
    object.emplace("minor", *minor);
  }
  object.emplace("access", text(access));
  return object;
}

json::array device_rules(const RuntimePlan& plan) {
  json::array rules;
  if (plan.all_capabilities) {
    rules.emplace_back(device_rule(true, {}, {}, "", "rwm"));
    return rules;
  }
  rules.emplace_back(device_rule(false, {}, {}, "", "rwm"));
  rules.emplace_back(device_rule(true, {}, {}, "c", "m"));
  rules.emplace_back(device_rule(true, {}, {}, "b", "m"));
  for (const int minor : {3, 5, 7, 8, 9}) {  // null, zero, full, random, urandom
    rules.emplace_back(device_rule(true, 1, minor, "c", "rwm"));
  }
  for (const int minor : {0, 1, 2}) {  // tty, console, ptmx
    rules.emplace_back(device_rule(true, 5, minor, "c", "rwm"));
  }
  rules.emplace_back(device_rule(true, 136, {}, "c", "rwm"));  // pts
  return rules;
}

json::array devices(const RuntimePlan& plan) {
  json::array array;
  if (plan.all_capabilities && plan.fuse) {
    json::object fuse;
    fuse.emplace("path", "/dev/fuse");
    fuse.emplace("type", "c");
    fuse.emplace("major", 10);
    fuse.emplace("minor", 229);
    fuse.emplace("fileMode", 0666);
    fuse.emplace("uid", 0);
    fuse.emplace("gid", 0);
    array.emplace_back(std::move(fuse));
  }
  return array;
}

json::object linux_part(const RuntimePlan& plan) {
  json::array namespaces;
  for (const char* const type : {"pid", "mount", "ipc", "uts", "cgroup"}) {
    json::object object;
    object.emplace("type", type);
    namespaces.emplace_back(std::move(object));
  }
  json::object memory;
  memory.emplace("limit", plan.memory_max_bytes);
  json::object resources;
  resources.emplace("devices", device_rules(plan));
  resources.emplace("memory", std::move(memory));

  json::object object;
  object.emplace("namespaces", std::move(namespaces));
  object.emplace("cgroupsPath", plan.cgroup_path);
  object.emplace("resources", std::move(resources));
  object.emplace("devices", devices(plan));
  object.emplace("rootfsPropagation", "private");
  if (!plan.all_capabilities) {
    object.emplace("maskedPaths",
                   texts({"/proc/asound",
                          "/proc/acpi",
                          "/proc/kcore",
                          "/proc/keys",
                          "/proc/latency_stats",
                          "/proc/timer_list",
                          "/proc/timer_stats",
                          "/proc/sched_debug",
                          "/proc/scsi",
                          "/sys/firmware",
                          "/sys/devices/virtual/powercap"}));
    object.emplace("readonlyPaths", texts({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}));
  }
  return object;
}

}  // namespace

std::string make_runtime_config(const RuntimePlan& plan) {
  json::object root;
  root.emplace("path", "rootfs");
  root.emplace("readonly", false);
  json::object config;
  config.emplace("ociVersion", "1.0.2");
  config.emplace("process", process(plan));
  config.emplace("root", std::move(root));
  config.emplace("hostname", plan.hostname);
  config.emplace("mounts", mounts(plan));
  config.emplace("linux", linux_part(plan));
  return json::serialize(config);
}

std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
  }
  return {};
}

std::vector<std::string> merge_environment(const ImageConfig& image,
                                           const protocol::StartApplication& request,
                                           const std::string& home) {
  protocol::Environment merged;
  for (const std::string& entry : image.environment) {
    const std::size_t equals = entry.find('=');
    if (equals != 0 && equals != entry.npos) {
      merged[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }
  for (const auto* const layer : {&request.environment, &request.injected}) {
    for (const auto& [name, value] : *layer) {
      merged[name] = value;
    }
  }
  merged.emplace("PATH", kDefaultPath);
  merged.emplace("HOME", home);
  std::vector<std::string> entries;
  for (const auto& [name, value] : merged) {
    entries.push_back(name + "=" + value);
  }
  return entries;
}

}  // namespace dormouse::agent
