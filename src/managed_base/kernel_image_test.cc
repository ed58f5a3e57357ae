// SPDX-License-Identifier: Apache-2.0

#include "managed_base/kernel_image.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace dormouse::managed_base {
namespace {

namespace fs = std::filesystem;

std::string said(const Status& status) { return status ? "" : status.error().message(); }

TEST(KernelVersion, FromFiveEighteenOnIsTaken) {
  for (const char* const version : {"5.18.0", "5.18", "5.19.0-rc1", "6.1.0-13-amd64 (debian) #1 SMP", "10.0.0"}) {
    EXPECT_EQ(said(check_kernel_version(version)), "") << version;
  }
}

TEST(KernelVersion, OlderIsRefusedByName) {
  EXPECT_EQ(
      said(check_kernel_version("5.10.0-26-amd64 (debian) #1 SMP")),
      "is Linux 5.10.0-26-amd64, and 5.18 is the oldest that guests can have: give a newer one, or leave --kernel out "
      "for Debian's");
  EXPECT_NE(said(check_kernel_version("4.19.0")), "");
  EXPECT_NE(said(check_kernel_version("5.2.0")), "") << "compared as numbers";
}

TEST(KernelVersion, ThatIsNoneIsRefused) {
  for (const char* const version : {"", "Linux", "6", "6.", ".18", "6.x"}) {
    EXPECT_EQ(said(check_kernel_version(version)),
              "does not say which version it is, and 5.18 is the oldest that guests can have")
        << version;
  }
}

#if defined(__x86_64__)

class KernelImage : public testing::Test {
 protected:
  KernelImage() {
    std::string name = (fs::temp_directory_path() / "kernel-image-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~KernelImage() override { fs::remove_all(directory_); }

  // What becomes of a bzImage whose header points, with the two bytes `pointer`, at this text, 0x3000 behind it.
  std::string checked(const std::string& version, const std::string& pointer = std::string("\x00\x30", 2)) {
    std::string image(0x4000, '\0');
    image.replace(0x202, 4, "HdrS");
    image.replace(0x20e, 2, pointer);
    image.replace(0x3200, version.size(), version);
    const fs::path path = directory_ / "vmlinuz";
    std::ofstream(path) << image;
    return said(check_kernel(path));
  }

  fs::path directory_;
};

TEST_F(KernelImage, SaysItsVersionWhereItsHeaderPoints) {
  EXPECT_EQ(checked("6.1.0-13-cloud-amd64 (debian) #1 SMP"), "");
  EXPECT_EQ(
      checked("5.17.15 (x)"),
      "is Linux 5.17.15, and 5.18 is the oldest that guests can have: give a newer one, or leave --kernel out for "
      "Debian's");
}

TEST_F(KernelImage, ThatPointsNowhereIsRefused) {
  const std::string nothing = "does not say which version it is, and 5.18 is the oldest that guests can have";
  EXPECT_EQ(checked("6.1.0", std::string(2, '\0')), nothing);
  EXPECT_EQ(checked("6.1.0", "\xFF\xFF"), nothing) << "beyond the file's end";
}

#endif

}  // namespace
}  // namespace dormouse::managed_base
