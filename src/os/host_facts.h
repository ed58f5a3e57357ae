// SPDX-License-Identifier: Apache-2.0
//
// What this machine has, as the kernel tells it now: for admission and for `dormouse doctor`. Blocking, but only briefly.

#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dormouse::os {

struct MemoryFacts {
  std::uint64_t total_bytes = 0;      // MemTotal
  std::uint64_t available_bytes = 0;  // MemAvailable: what can be had without swapping
};

// Of the whole machine (/proc/meminfo, proc(5)); a control group's limit is not looked at.
Result<MemoryFacts> read_memory_facts();
Result<MemoryFacts> parse_memory_facts(std::string_view meminfo);  // kInternal when a line is missing or malformed

struct FileSystemFacts {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // to those who may not use the reserve of root
};

// Of the file system that `path` is on; the path must exist.
Result<FileSystemFacts> read_file_system_facts(const std::filesystem::path& path);

// Processors that are online (/sys/devices/system/cpu/online); an affinity mask or a quota is not looked at.
Result<std::uint32_t> count_online_processors();
// Of a list as the kernel prints it: "0-3,8,10-11\n".
Result<std::uint32_t> count_processors(std::string_view list);

struct ProcessorFacts {
  std::string vendor;              // "GenuineIntel"; empty where the kernel names none
  std::string model;               // "AMD EPYC 7763 64-Core Processor"; likewise
  std::set<std::string> features;  // the kernel's names: "sse4_2"
};

// Of the first processor (/proc/cpuinfo).
Result<ProcessorFacts> read_processor_facts();
Result<ProcessorFacts> parse_processor_facts(std::string_view cpuinfo);  // kInternal when there is no line of features

// What the kernel drew at this boot (random(4)): two facts of different boots, such as a process's start time, do not compare.
Result<std::string> boot_id();

// "6.1.0-18-cloud-amd64" (uname(2)).
Result<std::string> kernel_release();

}  // namespace dormouse::os
