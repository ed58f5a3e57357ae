// SPDX-License-Identifier: Apache-2.0

#include "os/host_facts.h"

#include <unistd.h>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "os/file.h"

namespace dormouse::os {
namespace {

constexpr std::string_view kMeminfo =
    "MemTotal:       24618432 kB\n"
    "MemFree:        20123456 kB\n"
    "MemAvailable:   23000000 kB\n"
    "Buffers:           10240 kB\n"
    "HugePages_Total:       0\n";

TEST(HostFacts, MemoryIsReadInBytes) {
  const auto facts = parse_memory_facts(kMeminfo);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->total_bytes, 24'618'432ULL * 1024);
  EXPECT_EQ(facts->available_bytes, 23'000'000ULL * 1024);
}

TEST(HostFacts, AMissingLineIsNamed) {
  const auto facts = parse_memory_facts("MemTotal:       24618432 kB\n");
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().kind(), ErrorKind::kInternal);
  EXPECT_EQ(facts.error().message(), "/proc/meminfo: no line MemAvailable");
}

TEST(HostFacts, MalformedMemoryIsRefusedAndShown) {
  for (const std::string value :
       {"", " kB", " 12", " 12 MB", " -1 kB", " 12x kB", " 99999999999999999999 kB", " 18446744073709551615 kB"}) {
    const auto facts = parse_memory_facts("MemTotal:" + value + "\nMemAvailable: 1 kB\n");
    ASSERT_FALSE(facts) << value;
    EXPECT_EQ(facts.error().message(), "/proc/meminfo: MemTotal is \"" + value + "\", not a number of kB");
  }
}

TEST(HostFacts, ThisMachinesMemoryIsPlausible) {
  const auto facts = read_memory_facts();
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_GT(facts->available_bytes, 0U);
  EXPECT_LE(facts->available_bytes, facts->total_bytes);
}

TEST(HostFacts, AProcessorHasAVendorAModelAndFeatures) {
  const auto facts = parse_processor_facts(
      "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon @ 2 GHz\nflags\t\t: fpu sse4_2  avx\n\n"
      "processor\t: 1\nflags\t\t: fpu\n");
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->vendor, "GenuineIntel");
  EXPECT_EQ(facts->model, "Xeon @ 2 GHz");
  EXPECT_EQ(facts->features, (std::set<std::string>{"fpu", "sse4_2", "avx"}));
}

TEST(HostFacts, AProcessorWithoutFeaturesIsNone) {
  const auto facts = parse_processor_facts("processor\t: 0\n");
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().message(), "no line flags");
}

TEST(HostFacts, ThisMachinesProcessorIsKnown) {
  const auto facts = read_processor_facts();
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_TRUE(facts->features.contains("fpu"));
}

TEST(HostFacts, ProcessorListsAreCounted) {
  EXPECT_EQ(count_processors("0\n").value(), 1U);
  EXPECT_EQ(count_processors("0-3\n").value(), 4U);
  EXPECT_EQ(count_processors("0-3,8,10-11\n").value(), 7U);
}

TEST(HostFacts, MalformedProcessorListsAreRefused) {
  for (const std::string list : {"a", "3-1", "0-", "-3", "0,,1", "0-3x", "0-99999999999"}) {
    const auto count = count_processors(list + "\n");
    ASSERT_FALSE(count) << list;
    EXPECT_EQ(count.error().message(), "\"" + list + "\" is not a list of processors");
  }
  EXPECT_EQ(count_processors("\n").error().message(), "the list of processors is empty");
}

TEST(HostFacts, OnlineProcessorsAgreeWithTheCLibrary) {
  const auto count = count_online_processors();
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(static_cast<long>(*count), ::sysconf(_SC_NPROCESSORS_ONLN));
}

TEST(HostFacts, FileSystemOfAPathIsMeasured) {
  const auto facts = read_file_system_facts("/");
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_GT(facts->total_bytes, 0U);
  EXPECT_LE(facts->available_bytes, facts->total_bytes);
}

TEST(HostFacts, AMissingPathIsNamed) {
  const auto facts = read_file_system_facts("/nonexistent/path");
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(facts.error().message(), "statvfs /nonexistent/path: No such file or directory");
}

TEST(HostFacts, KernelReleaseIsThatOfProc) {
  const auto release = kernel_release();
  ASSERT_TRUE(release) << release.error().message();
  EXPECT_EQ(*release + "\n", read_file("/proc/sys/kernel/osrelease").value());
}

}  // namespace
}  // namespace dormouse::os
