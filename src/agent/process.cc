// SPDX-License-Identifier: Apache-2.0

#include "agent/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::agent {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) {
    result.push_back(const_cast<char*>(text.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

int set_attributes(posix_spawnattr_t& attributes) {
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  return ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

}  // namespace

Status protect_from_out_of_memory(bool protect) {
  DM_ASSIGN(const UniqueFd file, os::open_file("/proc/self/oom_score_adj", O_WRONLY), "");
  DM_TRY(os::write_all(file.get(), protect ? "-1000" : "0", "write /proc/self/oom_score_adj"), "");
  return {};
}

Result<pid_t> start_process(const ProcessPlan& plan) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const ScopeExit free_actions([&] { ::posix_spawn_file_actions_destroy(&actions); });
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  const ScopeExit free_attributes([&] { ::posix_spawnattr_destroy(&attributes); });
  ::posix_spawn_file_actions_addchdir_np(&actions, plan.working_directory.c_str());
  ::posix_spawn_file_actions_adddup2(&actions, plan.input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, plan.output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, plan.error, STDERR_FILENO);
  set_attributes(attributes);

  // The child inherits PID 1's adjustment: lift it while the child is made. There is one thread, so nothing else runs.
  const bool protect = ::getpid() == 1;
  if (protect) {
    DM_TRY(protect_from_out_of_memory(false), "");
  }
  pid_t pid = -1;
  const int wrong = ::posix_spawn(&pid,
                                  plan.program.c_str(),
                                  &actions,
                                  &attributes,
                                  pointers(plan.arguments).data(),
                                  pointers(plan.environment).data());
  if (protect) {
    DM_TRY(protect_from_out_of_memory(true), "");
  }
  if (wrong != 0) {
    return fail(Error::from_errno(wrong, "start " + plan.program + " in " + plan.working_directory));
  }
  return pid;
}

Answered<std::string> find_program(std::string_view name, std::string_view path) {
  if (name.find('/') != name.npos) {
    return std::string(name);
  }
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    const std::string candidate = std::string(directory.empty() ? "." : directory) + "/" + std::string(name);
    struct stat status{};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return refuse(ErrorKind::kNotFound,
                "executable_not_found",
                "no program \"" + std::string(name) + "\" in PATH " + std::string(path));
}

Status set_nonblocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_errno("set O_NONBLOCK");
  }
  return {};
}

Result<Pipe> make_output_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail_errno("pipe2");
  }
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  DM_TRY(set_nonblocking(pipe.read_end.get()), "pipe");
  return pipe;
}

}  // namespace dormouse::agent
