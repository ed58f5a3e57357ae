// SPDX-License-Identifier: Apache-2.0

#include "snapshot/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "os/file.h"

namespace dormouse::snapshot {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPages = 64;

UniqueFd memory_file() { return UniqueFd(::memfd_create("test", MFD_CLOEXEC)); }
// On a disk, as templates are: in a memfd a private write into a hole would fill the hole.
UniqueFd disk_file() { return UniqueFd(::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); }

// A template of kPages pages: page i holds the byte i + 1, but pages from 32 on are a hole.
UniqueFd make_template() {
  UniqueFd file = disk_file();
  EXPECT_EQ(::ftruncate(file.get(), kPages * kPage), 0);
  for (std::uint64_t i = 0; i < 32; ++i) {
    const std::string page(kPage, static_cast<char>(i + 1));
    EXPECT_EQ(::pwrite(file.get(), page.data(), kPage, static_cast<off_t>(i * kPage)), static_cast<ssize_t>(kPage));
  }
  return file;
}

// A process that stands for a VMM: it maps the template privately, writes into it, and then stands still.
class Vmm {
 public:
  template <typename Change>
  Vmm(const UniqueFd& file, Change change) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    memory_ = static_cast<char*>(
        ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(), 0));
    pid_ = ::fork();
    if (pid_ == 0) {
      change(memory_);
      [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
      for (;;) {
        ::pause();
      }
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Vmm() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(memory_, kPages * kPage);
  }
  Vmm(const Vmm&) = delete;
  Vmm& operator=(const Vmm&) = delete;

  pid_t pid() const { return pid_; }

  std::string contents() const {
    std::string bytes(kPages * kPage, '\0');
    UniqueFd memory(::open(("/proc/" + std::to_string(pid_) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::pread(memory.get(), bytes.data(), bytes.size(), reinterpret_cast<off_t>(memory_)),
              static_cast<ssize_t>(bytes.size()));
    return bytes;
  }

 private:
  pid_t pid_ = -1;
  char* memory_ = nullptr;
};

void write_three_pages(char* memory) {
  std::memset(memory + 3 * kPage, 'a', kPage);
  std::memset(memory + 4 * kPage, 'b', kPage);
  std::memset(memory + 40 * kPage, 'c', kPage);
}

TEST(GuestMemoryTest, OnlyThePagesThatWereWrittenAreSaved) {
  const UniqueFd file = make_template();
  const Vmm vmm(file, write_three_pages);
  const auto memory = find_guest_memory(vmm.pid(), file, kPages * kPage);
  ASSERT_TRUE(memory) << memory.error().message();
  const UniqueFd pages = memory_file();
  const auto saved = save_pages(*memory, file, pages);
  ASSERT_TRUE(saved) << saved.error().message();
  EXPECT_EQ(saved->pages, 3u);
  EXPECT_EQ(saved->zero_pages, 0u);
  EXPECT_EQ(saved->file_bytes, os::size_of(pages.get()));
  EXPECT_LT(saved->file_bytes, 3 * kPage + 256);
}

TEST(GuestMemoryTest, WhatWasSavedComesBackInAFreshProcess) {
  const UniqueFd file = make_template();
  const UniqueFd pages = memory_file();
  std::string before;
  {
    const Vmm vmm(file, [](char* memory) {
      write_three_pages(memory);
      std::memset(memory + 7 * kPage, 0, kPage);  // zero now, not so in the template
    });
    before = vmm.contents();
    const auto memory = find_guest_memory(vmm.pid(), file, kPages * kPage);
    ASSERT_TRUE(memory);
    const auto saved = save_pages(*memory, file, pages);
    ASSERT_TRUE(saved);
    EXPECT_EQ(saved->pages, 3u);
    EXPECT_EQ(saved->zero_pages, 1u);
  }
  const Vmm fresh(file, [](char*) {});
  ASSERT_NE(fresh.contents(), before);
  const auto memory = find_guest_memory(fresh.pid(), file, kPages * kPage);
  ASSERT_TRUE(memory);
  const auto loaded = load_pages(*memory, pages);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(fresh.contents(), before);
}

TEST(GuestMemoryTest, ZeroPagesOverAHoleOfTheTemplateCostNothing) {
  const UniqueFd file = make_template();
  const Vmm vmm(file, [](char* memory) { std::memset(memory + 32 * kPage, 0, 32 * kPage); });
  const auto memory = find_guest_memory(vmm.pid(), file, kPages * kPage);
  ASSERT_TRUE(memory);
  const UniqueFd pages = memory_file();
  const auto saved = save_pages(*memory, file, pages);
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->pages, 0u);
  EXPECT_EQ(saved->zero_pages, 0u);
}

TEST(GuestMemoryTest, ACorruptedByteAnywhereIsFoundBeforeAPageIsWritten) {
  const UniqueFd file = make_template();
  const UniqueFd pages = memory_file();
  {
    const Vmm vmm(file, write_three_pages);
    const auto memory = find_guest_memory(vmm.pid(), file, kPages * kPage);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(save_pages(*memory, file, pages));
  }
  const Vmm fresh(file, [](char*) {});
  const std::string before = fresh.contents();
  const auto memory = find_guest_memory(fresh.pid(), file, kPages * kPage);
  ASSERT_TRUE(memory);
  const std::uint64_t size = os::size_of(pages.get());
  for (std::uint64_t offset = 0; offset < size; offset += offset < 3 * kPage ? 1021 : 1) {
    char byte = 0;
    ASSERT_EQ(::pread(pages.get(), &byte, 1, static_cast<off_t>(offset)), 1);
    const char changed = static_cast<char>(byte ^ 0x10);
    ASSERT_EQ(::pwrite(pages.get(), &changed, 1, static_cast<off_t>(offset)), 1);
    const auto loaded = load_pages(*memory, pages);
    ASSERT_FALSE(loaded) << "byte " << offset;
    EXPECT_EQ(loaded.error().kind(), ErrorKind::kDataLoss);
    ASSERT_EQ(::pwrite(pages.get(), &byte, 1, static_cast<off_t>(offset)), 1);
  }
  EXPECT_EQ(fresh.contents(), before);
}

TEST(GuestMemoryTest, ATruncatedFileIsRefused) {
  const UniqueFd file = make_template();
  const Vmm vmm(file, write_three_pages);
  const auto memory = find_guest_memory(vmm.pid(), file, kPages * kPage);
  ASSERT_TRUE(memory);
  const UniqueFd pages = memory_file();
  ASSERT_TRUE(save_pages(*memory, file, pages));
  ASSERT_EQ(::ftruncate(pages.get(), 4097), 0);
  const auto loaded = load_pages(*memory, pages);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(), "pages: the file does not verify");
}

TEST(GuestMemoryTest, AProcessWithoutTheMappingIsAnError) {
  const UniqueFd file = make_template();
  const UniqueFd other = make_template();
  const Vmm vmm(file, [](char*) {});
  EXPECT_FALSE(find_guest_memory(vmm.pid(), other, kPages * kPage));
}

}  // namespace
}  // namespace dormouse::snapshot
