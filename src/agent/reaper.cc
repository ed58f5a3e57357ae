// SPDX-License-Identifier: Apache-2.0

#include "agent/reaper.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <utility>

namespace dormouse::agent {

Result<std::unique_ptr<Reaper>> Reaper::create(Loop& loop) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return fail_errno("sigprocmask");
  }
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) {
    return fail_errno("signalfd");
  }
  std::unique_ptr<Reaper> reaper(new Reaper(std::move(signals)));
  DM_TRY(loop.add_level(reaper->signals_.get(), *reaper), "watch signals");
  return reaper;
}

void Reaper::expect(pid_t pid, Handler handler) {
  if (const auto found = unclaimed_.find(pid); found != unclaimed_.end()) {
    const protocol::ExitStatus status = found->second;
    unclaimed_.erase(found);
    handler(status);
    return;
  }
  handlers_[pid] = std::move(handler);
}

void Reaper::remember(bool on) {
  remember_ = on;
  unclaimed_.clear();
}

void Reaper::on_events(std::uint32_t) {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == ssize_t{sizeof info}) {
  }
  for (;;) {
    int wait_status = 0;
    const pid_t pid = ::waitpid(-1, &wait_status, WNOHANG);
    if (pid <= 0) {
      return;
    }
    protocol::ExitStatus status;
    if (WIFEXITED(wait_status)) {
      status.exit_code = WEXITSTATUS(wait_status);
    } else {
      status.signal = WTERMSIG(wait_status);
    }
    if (auto node = handlers_.extract(pid); !node.empty()) {
      node.mapped()(status);
    } else if (remember_) {
      unclaimed_[pid] = status;
    }
  }
}

}  // namespace dormouse::agent
