// SPDX-License-Identifier: Apache-2.0

#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
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

// Returns when the daemon has ended: by a signal, or since it is to be started anew, which is the answer then. VMs run on.
Result<bool> serve(const daemon::Options& options, const UniqueFd& signals) {
  const os::Cancellation serving;
  DM_ASSIGN(const std::unique_ptr<daemon::Daemon> daemon,
            daemon::Daemon::start(options, serving, os::Context::with_timeout(kStartTimeout)),
            "");
  (void)os::Context(serving, SteadyTime::max()).wait(signals.get(), POLLIN, "serve");
  if (serving.cancelled()) {
    log::warning("stopping to start again; VMs run on");
    return true;
  }
  signalfd_siginfo signal{};
  while (::read(signals.get(), &signal, sizeof signal) < 0 && errno == EINTR) {
  }
  log::info("stopping; VMs run on", {{"signal", std::to_string(signal.ssi_signo)}});
  return false;
}

// The same process becomes this program anew. VMMs that run stay its children; signals that wait are there afterwards, too.
int execute_again(char** argv) {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // nobody will know of those that have ended
  }
  ::execv("/proc/self/exe", argv);
  fmt::print(stderr, "dormoused: {}\n", Error::from_errno(errno, "start again").message());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_NAME, "dormoused");  // execute_again() makes it "exe"
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
  const auto again = serve(*options, signals);
  if (!again) {
    fmt::print(stderr, "dormoused: {}\n", again.error().message());
    return 1;
  }
  return *again ? execute_again(argv) : 0;
}
