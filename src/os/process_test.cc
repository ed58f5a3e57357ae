// SPDX-License-Identifier: Apache-2.0

#include "os/process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "base/scope_exit.h"

namespace dormouse::os {
namespace {

Context soon() { return Context::with_timeout(std::chrono::seconds(10)); }

SpawnRequest shell(const std::string& script) {
  SpawnRequest request;
  request.arguments = {"/bin/sh", "-c", script};
  return request;
}

// A descriptor that an exec does not close, as libraries open them.
UniqueFd inheritable() { return UniqueFd(::open("/dev/null", O_RDONLY)); }

TEST(ProcessTest, AChildGetsNoDescriptorButThoseNamed) {
  const UniqueFd stray = inheritable();
  const UniqueFd wanted = inheritable();
  SpawnRequest request = shell(
      "for f in /proc/self/fd/*; do n=${f##*/}; [ -e $f ] && case $n in 0|1|2|7) ;; *) "
      "readlink $f | grep -q '/proc/.*/fd' || exit 9;; esac; done; [ -e /proc/self/fd/7 ]");
  request.descriptors = {{wanted.get(), 0}, {wanted.get(), 1}, {wanted.get(), 2}, {wanted.get(), 7}};
  auto process = Process::spawn(request);
  ASSERT_TRUE(process) << process.error().message();
  const auto end = process->wait(soon());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 0);
}

TEST(ProcessTest, DescriptorsMayTradeTheirNumbers) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const UniqueFd null = inheritable();
  SpawnRequest request = shell("echo here >&3");
  request.descriptors = {{null.get(), 0}, {null.get(), 1}, {null.get(), 2}, {write_end.get(), 3}, {null.get(), 4}};
  auto process = Process::spawn(request);
  ASSERT_TRUE(process);
  write_end.reset();
  char text[8] = {};
  EXPECT_EQ(::read(read_end.get(), text, sizeof text), 5);
  EXPECT_EQ(std::string(text), "here\n");
  EXPECT_TRUE(process->wait(soon()));
}

TEST(ProcessTest, ASignalIsTheWayItEnded) {
  auto process = Process::spawn(shell("kill -9 $$"));
  ASSERT_TRUE(process);
  const auto end = process->wait(soon());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->signal, SIGKILL);
  EXPECT_EQ(end->describe(), "signal 9 (Killed)");
}

TEST(ProcessTest, ANumberThatAnotherProcessHasIsNotFound) {
  const auto process = Process::open(::getpid(), *start_time_of(::getpid()) + 1);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().kind(), ErrorKind::kNotFound);
}

TEST(ProcessTest, PrivateMemoryIsWhatAProcessWroteAndNotWhatItRead) {
  constexpr std::size_t kBytes = 32U << 20U;
  const UniqueFd file(::memfd_create("shared", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  void* const mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const ScopeExit unmap([&] { ::munmap(mapped, kBytes); });
  auto* const bytes = static_cast<volatile char*>(mapped);
  const std::uint64_t before = memory_of(::getpid()).value().anonymous;
  for (std::size_t at = 0; at < kBytes; at += 4096) {
    EXPECT_EQ(bytes[at], 0);
  }
  const std::uint64_t read = memory_of(::getpid()).value().anonymous;
  for (std::size_t at = 0; at < kBytes; at += 4096) {
    bytes[at] = 1;
  }
  const std::uint64_t written = memory_of(::getpid()).value().anonymous;
  EXPECT_LT(read, before + kBytes / 2);
  EXPECT_GE(written, read + kBytes / 2);
  EXPECT_FALSE(memory_of(-1));
}

TEST(ProcessTest, WaitingEndsWithTheContext) {
  auto process = Process::spawn(shell("read never </dev/zero; sleep 60"));
  ASSERT_TRUE(process);
  const Cancellation cancellation;
  cancellation.cancel();
  const auto end = process->wait(Context(cancellation, SteadyTime::max()));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind(), ErrorKind::kCancelled);
  process->kill(SIGKILL);
  EXPECT_TRUE(process->wait(soon()));
}

}  // namespace
}  // namespace dormouse::os
