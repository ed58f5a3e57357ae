// SPDX-License-Identifier: Apache-2.0

#include <malloc.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <fmt/format.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "faults/fault_point.h"
#include "os/context.h"

namespace {

using namespace dormouse;

constexpr std::chrono::minutes kStartTimeout{10};

// Signals are waited for by this thread alone; every thread made later inherits the block.
UniqueFd block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// What is free goes back to the system (mallopt(3)). Left alone, glibc gives each thread an arena of its own, which keeps the
// most that the thread ever needed: one large answer after the other, each by another worker, costs its size many times over.
void give_memory_back() {
  constexpr int kThresholdBytes = 128 << 10;
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, kThresholdBytes);
  ::mallopt(M_TRIM_THRESHOLD, kThresholdBytes);
}

}  // namespace

int main(int argc, char** argv) {
  give_memory_back();
  int exit_code = 0;
  const auto options = daemon::read_options(argc, argv, exit_code);
  if (!options) {
    return exit_code;
  }
  const std::map<std::string, log::Level> levels = {{"debug", log::Level::kDebug},
                                                    {"info", log::Level::kInfo},
                                                    {"warning", log::Level::kWarning},
                                                    {"error", log::Level::kError}};
  log::set_level(levels.at(options->log_level));
  if (::geteuid() != 0) {
    fmt::print(stderr,
               "dormoused: must run as root: it makes network namespaces and taps. `dormouse doctor` says more.\n");
    return 1;
  }
  const UniqueFd signals = block_signals();
  if (const char* const directory = std::getenv("DORMOUSE_FAULTS")) {
    faults::watch(directory);
  }
  const auto started = daemon::Daemon::start(*options, os::Context::with_timeout(kStartTimeout));
  if (!started) {
    fmt::print(stderr, "dormoused: {}\n", started.error().message());
    return 1;
  }
  signalfd_siginfo signal{};
  while (::read(signals.get(), &signal, sizeof signal) < 0 && errno == EINTR) {
  }
  log::info("stopping; VMs run on", {{"signal", std::to_string(signal.ssi_signo)}});
  return 0;
}
