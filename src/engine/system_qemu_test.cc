// SPDX-License-Identifier: Apache-2.0

#include "engine/system_qemu.h"

#include <gtest/gtest.h>

namespace dormouse::engine {
namespace {

TEST(SystemQemuTest, LibrariesAreKnownByTheNamesTheyAreAskedForBy) {
  const auto libraries = parse_library_list(
      "\tlinux-vdso.so.1 (0x00007fe98e453000)\n"
      "\tlibpixman-1.so.0 => /lib/x86_64-linux-gnu/libpixman-1.so.0 (0x00007fe98d155000)\n"
      "\tlibodd.so => /opt/with a (0x2)/libodd.so (0x00007fe98d155000)\n"
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007fe98e455000)\n");
  ASSERT_TRUE(libraries) << libraries.error().message();
  const std::map<std::string, std::filesystem::path> expected = {
      {"libpixman-1.so.0", "/lib/x86_64-linux-gnu/libpixman-1.so.0"}, {"libodd.so", "/opt/with a (0x2)/libodd.so"}};
  EXPECT_EQ(*libraries, expected);
}

TEST(SystemQemuTest, ALibraryThatIsNotThereIsNamed) {
  const auto libraries = parse_library_list("\tlibfdt.so.1 => not found\n");
  ASSERT_FALSE(libraries);
  EXPECT_EQ(libraries.error().message(), "the library libfdt.so.1 is not found");
}

TEST(SystemQemuTest, MappingsWithoutAFileAreLeftOut) {
  const auto mappings = parse_mappings(
      "55a5923dc000-55a5923de000 r--p 00000000 fe:00 247026                     /usr/bin/qemu of mine\n"
      "55a5923de000-55a5923e3000 r-xp 00002000 fe:00 247026                     /usr/bin/qemu of mine\n"
      "55a5933de000-55a5933e3000 rw-p 00000000 00:00 0                          [heap]\n"
      "55a5943de000-55a5943e3000 rwxp 00000000 00:00 0 \n"
      "7ffc1f3f1000-7ffc1f3f3000 r-xp 00000000 00:00 0                          [vdso]\n"
      "nonsense\n");
  ASSERT_EQ(mappings.size(), 2U);
  EXPECT_EQ(mappings[0].begin, 0x55a5923dc000U);
  EXPECT_FALSE(mappings[0].executable);
  EXPECT_TRUE(mappings[1].executable);
  EXPECT_EQ(mappings[1].path, "/usr/bin/qemu of mine");
}

TEST(SystemQemuTest, OneThatIsNotThereIsMissedByItsPath) {
  SystemQemu system;
  system.program = "/no/qemu";
  const auto parts = find_parts(system, "/tmp", os::Context::with_timeout(std::chrono::seconds(1)));
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().message(),
            "there is no QEMU at /no/qemu: apt-get install qemu-system-x86, or name one with --qemu");
}

}  // namespace
}  // namespace dormouse::engine
