// SPDX-License-Identifier: Apache-2.0

#include "faults/fault_point.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "os/context.h"
#include "os/file.h"

namespace dormouse::faults {
namespace {

constexpr std::size_t kFileBytesMax = 4096;
constexpr std::chrono::minutes kHold{10};
constexpr std::chrono::milliseconds kLook{10};
constexpr std::chrono::seconds kEndTimeout{10};

std::filesystem::path armed_in;  // constant once `watching`

// What the step is armed with for this subject, which nobody else gets then; empty if it is not.
std::string take(std::string_view step, std::string_view subject) {
  const std::filesystem::path path = armed_in / step;
  const auto text = os::read_file(path, kFileBytesMax);
  if (!text) {
    return {};
  }
  const std::size_t space = std::min(text->find(' '), text->size());
  const std::string_view whose = std::string_view(*text).substr(std::min(space + 1, text->size()));
  if (!subject.starts_with(whose) || ::unlink(path.c_str()) != 0) {  // another one may have been faster
    return {};
  }
  return text->substr(0, space);
}

// Ends a process that may be a child of ours, whose end somebody else collects.
void end(int pid) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process || ::kill(pid, SIGKILL) != 0) {
    return;
  }
  (void)os::Context::with_timeout(kEndTimeout).wait(process.get(), POLLIN, "the VMM's end");
}

Status hold(const std::string& step) {
  const os::Context context = os::Context::with_timeout(kHold);
  while (::unlink((armed_in / (step + ".go")).c_str()) != 0) {
    DM_TRY(context.pause(kLook, "hold"), step);
  }
  return {};
}

}  // namespace

std::atomic<bool> watching{false};

void watch(std::filesystem::path directory) {
  armed_in = std::move(directory);
  watching = true;
  log::warning("steps can be made to fail: this is for tests", {{"by", armed_in.string()}});
}

Status reach_armed(Step step, const Subject& subject) {
  const std::string action = take(step.name(), subject.name);
  if (action.empty()) {
    return {};
  }
  const std::string name(step.name());
  log::warning("a fault", {{"step", name}, {"of", std::string(subject.name)}, {"action", action}});
  if (action == "kill-daemon") {
    ::kill(::getpid(), SIGKILL);
    for (;;) {
      ::pause();  // not one more instruction of the operation
    }
  }
  if (action == "hold") {
    return hold(name);
  }
  if (action == "kill-vmm" && subject.vmm) {
    end(*subject.vmm);
    return {};
  }
  return fail(ErrorKind::kInternal,
              action == "fail" ? name + " was told to fail" : name + " cannot do '" + action + "'");
}

}  // namespace dormouse::faults
