// SPDX-License-Identifier: Apache-2.0

#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <sstream>

#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::os {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));  // posix_spawn's interface; it does not write
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Descriptors are first moved above every target number, so that no dup2 overwrites one that is still to be passed.
Result<std::vector<UniqueFd>> above(const std::vector<std::pair<int, int>>& descriptors) {
  int top = 2;
  for (const auto& [ours, theirs] : descriptors) {
    top = std::max(top, theirs);
  }
  std::vector<UniqueFd> moved;
  for (const auto& [ours, theirs] : descriptors) {
    const int fd = ::fcntl(ours, F_DUPFD_CLOEXEC, top + 1);
    if (fd < 0) {
      return fail_errno("duplicate descriptor " + std::to_string(ours));
    }
    moved.emplace_back(fd);
  }
  return moved;
}

}  // namespace

std::string ProcessEnd::describe() const {
  if (exit_code) {
    return "exit code " + std::to_string(*exit_code);
  }
  if (signal) {
    return "signal " + std::to_string(*signal) + " (" + ::strsignal(*signal) + ")";
  }
  return "unknown";
}

std::optional<std::uint64_t> start_time_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) {
    return std::nullopt;
  }
  // The second field may hold anything, spaces and parentheses included: count from the last ')'.
  std::size_t at = text->rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) {
    at = text->find(' ', at + 1);
  }
  std::uint64_t value = 0;
  if (at == std::string::npos ||
      std::from_chars(text->data() + at + 1, text->data() + text->size(), value).ec != std::errc()) {
    return std::nullopt;
  }
  return value;
}

std::optional<ProcessMemory> memory_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/statm", 4096);
  if (!text) {
    return std::nullopt;
  }
  std::istringstream fields(*text);
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;  // of files and shared memory
  if (!(fields >> size >> resident >> shared) || shared > resident) {
    return std::nullopt;
  }
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return ProcessMemory{resident * page, (resident - shared) * page};
}

Result<Process> Process::spawn(const SpawnRequest& request) {
  DM_ASSIGN(const std::vector<UniqueFd> moved, above(request.descriptors), "spawn " + request.arguments.at(0));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  const ScopeExit cleanup([&] {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  });
  for (std::size_t i = 0; i < moved.size(); ++i) {
    ::posix_spawn_file_actions_adddup2(&actions, moved[i].get(), request.descriptors[i].second);
  }
  // Everything else is closed, whether it was opened with O_CLOEXEC or not: libraries open descriptors too, and a VMM that
  // inherited a listening socket would keep its port after the daemon's end.
  int top = 2;
  for (const auto& [ours, theirs] : request.descriptors) {
    top = std::max(top, theirs);
  }
  for (int number = 0; number <= top; ++number) {
    const auto named = [&](const std::pair<int, int>& entry) { return entry.second == number; };
    if (std::none_of(request.descriptors.begin(), request.descriptors.end(), named)) {
      ::posix_spawn_file_actions_addclose(&actions, number);
    }
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, top + 1);
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigfillset(&defaults);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid,
                                   request.arguments[0].c_str(),
                                   &actions,
                                   &attributes,
                                   pointers_to(request.arguments).data(),
                                   pointers_to(request.environment).data());
  if (failed != 0) {
    return fail(Error::from_errno(failed, "spawn " + request.arguments[0]));
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    auto error = fail_errno("pidfd_open " + std::to_string(pid));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return error;
  }
  return Process(pid, start_time_of(pid).value_or(0), std::move(pidfd));
}

Result<Process> Process::open(pid_t pid, std::uint64_t start_time) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    return fail_errno("pidfd_open " + std::to_string(pid));
  }
  if (start_time_of(pid) != start_time) {
    return fail(ErrorKind::kNotFound, "process " + std::to_string(pid) + " is another one");
  }
  return Process(pid, start_time, std::move(pidfd));
}

void Process::kill(int signal) const { ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0); }

Result<ProcessEnd> Process::wait(const Context& context) {
  if (end_) {
    return *end_;
  }
  DM_TRY(context.wait(pidfd_.get(), POLLIN, "wait for process " + std::to_string(pid_)), "");
  siginfo_t info{};
  ProcessEnd end;
  // A process that is not our child has nothing to reap: ECHILD, and how it ended stays unknown.
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) == 0) {
    if (info.si_code == CLD_EXITED) {
      end.exit_code = info.si_status;
    } else {
      end.signal = info.si_status;
    }
  }
  end_ = end;
  return end;
}

}  // namespace dormouse::os
