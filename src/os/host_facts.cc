// SPDX-License-Identifier: Apache-2.0

#include "os/host_facts.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>

#include "os/file.h"

namespace dormouse::os {

namespace {

constexpr const char* kMemoryFile = "/proc/meminfo";
constexpr const char* kProcessorsFile = "/sys/devices/system/cpu/online";
constexpr const char* kProcessorFile = "/proc/cpuinfo";
constexpr std::uint32_t kProcessorsMax = 1U << 20U;  // more than any kernel allows

// A number that is all of `text`.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Takes the text up to `separator`, and the separator, off `text`.
std::string_view take(std::string_view& text, char separator) {
  const std::string_view piece = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), piece.size() + 1));
  return piece;
}

// The bytes that "MemTotal:       24618432 kB" stands for; `field` is "MemTotal".
Result<std::uint64_t> kibibyte_field(std::string_view meminfo, std::string_view field) {
  while (!meminfo.empty()) {
    std::string_view line = take(meminfo, '\n');
    if (take(line, ':') != field) {
      continue;
    }
    const std::string_view shown = line;
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto kibibytes = number(take(line, ' '));
    if (!kibibytes || line != "kB" || *kibibytes > std::numeric_limits<std::uint64_t>::max() / 1024) {
      return fail(ErrorKind::kInternal, std::string(field) + " is \"" + std::string(shown) + "\", not a number of kB");
    }
    return *kibibytes * 1024;
  }
  return fail(ErrorKind::kInternal, "no line " + std::string(field));
}

}  // namespace

Result<MemoryFacts> parse_memory_facts(std::string_view meminfo) {
  MemoryFacts facts;
  DM_ASSIGN(facts.total_bytes, kibibyte_field(meminfo, "MemTotal"), kMemoryFile);
  DM_ASSIGN(facts.available_bytes, kibibyte_field(meminfo, "MemAvailable"), kMemoryFile);
  return facts;
}

Result<MemoryFacts> read_memory_facts() {
  DM_ASSIGN(const std::string meminfo, read_file(kMemoryFile), "");
  return parse_memory_facts(meminfo);
}

Result<FileSystemFacts> read_file_system_facts(const std::filesystem::path& path) {
  struct statvfs facts{};
  int outcome = -1;
  do {
    outcome = ::statvfs(path.c_str(), &facts);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) {
    return fail_errno("statvfs " + path.string());
  }
  return FileSystemFacts{std::uint64_t{facts.f_blocks} * facts.f_frsize,
                         std::uint64_t{facts.f_bavail} * facts.f_frsize};
}

Result<std::uint32_t> count_processors(std::string_view list) {
  const std::string_view text = list.substr(0, list.find('\n'));
  std::uint32_t count = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view range = take(rest, ',');
    const bool single = range.find('-') == std::string_view::npos;
    const auto first = number(take(range, '-'));
    const auto last = single ? first : number(range);
    if (!first || !last || *last < *first || *last >= kProcessorsMax) {
      return fail(ErrorKind::kInternal, "\"" + std::string(text) + "\" is not a list of processors");
    }
    count += static_cast<std::uint32_t>(*last - *first + 1);
  }
  if (count == 0) {
    return fail(ErrorKind::kInternal, "the list of processors is empty");
  }
  return count;
}

Result<std::uint32_t> count_online_processors() {
  DM_ASSIGN(const std::string list, read_file(kProcessorsFile), "");
  DM_ASSIGN(const std::uint32_t count, count_processors(list), kProcessorsFile);
  return count;
}

Result<ProcessorFacts> parse_processor_facts(std::string_view cpuinfo) {
  ProcessorFacts facts;
  while (!cpuinfo.empty() && facts.features.empty()) {
    std::string_view line = take(cpuinfo, '\n');
    std::string_view name = take(line, ':');
    name = name.substr(0, name.find_last_not_of(" \t") + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (name == "vendor_id") {
      facts.vendor = line;
    }
    if (name == "model name") {
      facts.model = line;
    }
    while (name == "flags" && !line.empty()) {
      if (const std::string_view feature = take(line, ' '); !feature.empty()) {
        facts.features.emplace(feature);
      }
    }
  }
  if (facts.features.empty()) {
    return fail(ErrorKind::kInternal, "no line flags");
  }
  return facts;
}

Result<ProcessorFacts> read_processor_facts() {
  DM_ASSIGN(const std::string cpuinfo, read_file(kProcessorFile), "");
  DM_ASSIGN(ProcessorFacts facts, parse_processor_facts(cpuinfo), kProcessorFile);
  return facts;
}

Result<std::string> boot_id() {
  DM_ASSIGN(std::string text, read_file("/proc/sys/kernel/random/boot_id", 64), "");
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

Result<std::string> kernel_release() {
  utsname names{};
  if (::uname(&names) != 0) {
    return fail_errno("uname");
  }
  return std::string(names.release);
}

}  // namespace dormouse::os
