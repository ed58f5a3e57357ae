// SPDX-License-Identifier: Apache-2.0

#include "vmm/acceleration.h"

#include <fcntl.h>
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>
#include <x86intrin.h>

#include <array>
#include <charconv>
#include <csignal>
#include <ctime>

#include <fmt/format.h>

#include "os/file.h"
#include "os/process.h"

namespace dormouse::vmm {
namespace {

// Microseconds that the guest loop took, or why there is no telling, as a clause.
Result<long> run_loop(const std::string& launcher, const std::string& device, const os::Context& context) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail_errno("pipe");
  }
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  DM_ASSIGN(const UniqueFd null, os::open_file("/dev/null", O_RDWR), "");
  os::SpawnRequest request;
  request.arguments = {launcher, "--probe-kvm", device};
  request.descriptors = {{null.get(), 0}, {write_end.get(), 1}, {null.get(), 2}};
  DM_ASSIGN(os::Process process, os::Process::spawn(request), "");
  write_end.reset();
  auto end = process.wait(context.within(20 * kLoopMax));
  if (!end) {
    process.kill(SIGKILL);
    (void)process.wait(os::Context::with_timeout(std::chrono::seconds(5)));
    return fail(ErrorKind::kDeadlineExceeded,
                fmt::format("it did not end within {} ms", std::chrono::milliseconds(20 * kLoopMax).count()));
  }
  if (end->exit_code == EX_NOPERM) {
    return fail(
        ErrorKind::kPermissionDenied,
        fmt::format("a VMM, which does not run as root, may not open it; chgrp kvm {0} && chmod 660 {0} lets it",
                    device));
  }
  std::array<char, 32> text{};
  const ssize_t got = ::read(read_end.get(), text.data(), text.size());
  long microseconds = 0;
  if (end->exit_code != 0 || got <= 0 ||
      std::from_chars(text.data(), text.data() + got, microseconds).ec != std::errc()) {
    return fail(ErrorKind::kUnavailable, "it ended with " + end->describe());
  }
  return microseconds;
}

struct Sample {
  std::uint64_t counter;
  std::uint64_t nanoseconds;
};

// A pair read close together: the tightest of several.
Sample sample() {
  Sample best{};
  std::uint64_t tightest = UINT64_MAX;
  for (int i = 0; i < 64; ++i) {
    timespec time{};
    const std::uint64_t before = __rdtsc();
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    const std::uint64_t after = __rdtsc();
    if (after - before < tightest) {
      tightest = after - before;
      best.counter = before + (after - before) / 2;
      best.nanoseconds =
          static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
    }
  }
  return best;
}

}  // namespace

Result<AccelerationVerdict> choose_acceleration(const std::string& wanted,
                                                const std::string& launcher,
                                                const os::Context& context,
                                                const std::string& device) {
  if (wanted == "kvm" || wanted == "tcg") {
    DM_ASSIGN(const Acceleration acceleration, acceleration_from(wanted), "");
    return AccelerationVerdict{acceleration, "asked for by --accel " + wanted};
  }
  if (wanted != "auto") {
    return fail(ErrorKind::kInvalidArgument, fmt::format("--accel {}: must be auto, kvm or tcg", wanted));
  }
  if (::access(device.c_str(), F_OK) != 0) {
    return AccelerationVerdict{Acceleration::kTcg, "there is no " + device};
  }
  const auto took = run_loop(launcher, device, context);
  if (!took) {
    return AccelerationVerdict{Acceleration::kTcg,
                               fmt::format("{} runs no guest loop: {}", device, took.error().message())};
  }
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(kLoopMax).count();
  if (*took > limit) {
    return AccelerationVerdict{
        Acceleration::kTcg,
        fmt::format("{} runs a guest loop in {} us, which a working one does in {} at most", device, *took, limit)};
  }
  return AccelerationVerdict{Acceleration::kKvm, fmt::format("{} ran a guest loop in {} us", device, *took)};
}

std::uint64_t measure_tsc_khz() {
  const Sample first = sample();
  timespec pause{0, 100'000'000};
  ::nanosleep(&pause, nullptr);
  const Sample second = sample();
  return (second.counter - first.counter) * 1'000'000U / (second.nanoseconds - first.nanoseconds);
}

}  // namespace dormouse::vmm
