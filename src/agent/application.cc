// SPDX-License-Identifier: Apache-2.0

#include "agent/application.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>

#include "agent/container.h"
#include "agent/process.h"
#include "os/file.h"
#include "protocol/limits.h"

namespace dormouse::agent {

using protocol::ApplicationState;

namespace {

constexpr std::size_t kRingBytes = std::size_t{64} << 10;
constexpr std::size_t kChunkBytes = std::size_t{16} << 10;
constexpr int kChunksPerTurn = 8;
constexpr std::chrono::seconds kFreezeTimeout{10};

// What crun wrote last, for an error.
std::string runtime_message() {
  const auto log = os::read_file(runtime_log_path(), std::size_t{1} << 20);
  std::string text = log ? protocol::to_utf8_tail(*log, 2048) : std::string();
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text.empty() ? "no message" : text;
}

}  // namespace

Application::Application(Loop& loop, Reaper& reaper, std::optional<std::string> test_command)
    : loop_(loop),
      reaper_(reaper),
      test_command_(std::move(test_command)),
      cgroup_("/sys/fs/cgroup" + std::string(kCgroupPath)),
      output_(kRingBytes) {}

Application::~Application() {
  loop_.forget(*this);
  if (output_read_) {
    loop_.remove(output_read_.get());
  }
}

void Application::start(const protocol::StartApplication& request, Done done) {
  if (state_ != ApplicationState::kNone) {
    done(refuse(ErrorKind::kConflict,
                "already_started",
                "the application was started before: it is " + std::string(to_string(state_))));
    return;
  }
  state_ = ApplicationState::kStarting;
  done_ = std::move(done);
  if (test_command_) {
    run_test_command(request);
    return;
  }
  if (const auto prepared = prepare(request); !prepared) {
    conclude(prepared);
    return;
  }
  auto arguments = runtime_arguments();
  for (const std::string& argument : {std::string("create"),
                                      "--bundle=" + bundle_directory(),
                                      "--pid-file=" + pid_file_path(),
                                      std::string(kContainerName)}) {
    arguments.push_back(argument);
  }
  reaper_.remember(true);
  run_runtime(arguments, output_write_.get(), [this](bool succeeded) { created(succeeded); });
}

Answered<void> Application::prepare(const protocol::StartApplication& request) {
  const auto user = prepare_container(request);
  if (!user) {
    return tl::unexpected(user.error());
  }
  return open_output(*user);
}

Answered<void> Application::open_output(const UserIds& user) {
  auto pipe = make_output_pipe();
  if (!pipe) {
    return refuse("internal", pipe.error());
  }
  output_read_ = std::move(pipe->read_end);
  output_write_ = std::move(pipe->write_end);
  // So that a program that is not root can open /dev/stdout.
  if (!test_command_ && ::fchown(output_write_.get(), user.uid, user.gid) != 0) {
    return refuse("internal", Error::from_errno(errno, "give the output to the application's user"));
  }
  if (const auto added = loop_.add(output_read_.get(), *this); !added) {
    return refuse("internal", added.error());
  }
  return {};
}

void Application::run_runtime(const std::vector<std::string>& arguments, int output, std::function<void(bool)> then) {
  const auto null = os::open_file("/dev/null", O_RDWR);
  const auto program = find_program(arguments.front(), kDefaultPath);
  if (!null || !program) {
    conclude(refuse(ErrorKind::kInternal, "runtime", null ? program.error().message : null.error().message()));
    return;
  }
  ProcessPlan plan;
  plan.program = *program;
  plan.arguments = arguments;
  plan.environment = {"PATH=" + std::string(kDefaultPath)};
  plan.input = null->get();
  plan.output = output >= 0 ? output : null->get();
  plan.error = plan.output;
  const auto pid = start_process(plan);
  if (!pid) {
    conclude(refuse("runtime", pid.error()));
    return;
  }
  reaper_.expect(*pid, [then = std::move(then)](const protocol::ExitStatus& status) { then(status.exit_code == 0); });
}

void Application::created(bool succeeded) {
  output_write_.reset();
  const auto text = os::read_file(pid_file_path(), 64);
  if (!succeeded || !text || std::from_chars(text->data(), text->data() + text->size(), pid_).ec != std::errc()) {
    reaper_.remember(false);
    conclude(refuse(ErrorKind::kInternal, "runtime", "create the container: " + runtime_message()));
    return;
  }
  reaper_.expect(pid_, [this](const protocol::ExitStatus& status) { ended(status); });
  reaper_.remember(false);
  auto arguments = runtime_arguments();
  arguments.insert(arguments.end(), {"start", std::string(kContainerName)});
  run_runtime(arguments, -1, [this](bool start_succeeded) { started(start_succeeded); });
}

void Application::started(bool succeeded) {
  if (!succeeded && state_ == ApplicationState::kStarting) {
    conclude(refuse(ErrorKind::kInternal, "runtime", "start the container: " + runtime_message()));
    return;
  }
  if (state_ == ApplicationState::kStarting) {
    state_ = ApplicationState::kRunning;
  }
  conclude({});
}

void Application::conclude(const Answered<void>& outcome) {
  if (!outcome) {
    state_ = ApplicationState::kFailed;
  }
  if (const Done done = std::exchange(done_, nullptr)) {
    done(outcome);
  }
}

void Application::ended(const protocol::ExitStatus& status) {
  drain_output();
  protocol::ApplicationExit exit;
  exit.status = status;
  exit.out_of_memory = status.exit_code != 0 && !test_command_ && cgroup_.out_of_memory_kills() > 0;
  const std::uint64_t begin = output_.end() - std::min<std::uint64_t>(output_.end(), protocol::kLastOutputBytesMax);
  exit.last_output =
      protocol::to_utf8_tail(output_.read(begin, protocol::kLastOutputBytesMax), protocol::kLastOutputBytesMax);
  exit_ = std::move(exit);
  state_ = ApplicationState::kExited;
  pid_ = -1;
  tell_listeners();
}

void Application::run_test_command(const protocol::StartApplication& request) {
  const auto null = os::open_file("/dev/null", O_RDONLY);
  if (const auto opened = open_output({}); !opened || !null) {
    conclude(refuse(ErrorKind::kInternal, "internal", "no pipe"));
    return;
  }
  ProcessPlan plan;
  plan.program = "/bin/sh";
  plan.arguments = {"sh", "-c", *test_command_};
  for (const auto& [name, value] : request.environment) {
    plan.environment.push_back(name + "=" + value);
  }
  plan.input = null->get();
  plan.output = plan.error = output_write_.get();
  const auto pid = start_process(plan);
  output_write_.reset();
  if (!pid) {
    conclude(refuse("runtime", pid.error()));
    return;
  }
  pid_ = *pid;
  reaper_.expect(pid_, [this](const protocol::ExitStatus& status) { ended(status); });
  started(true);
}

bool Application::read_output() {
  std::array<char, kChunkBytes> buffer;
  while (output_read_) {
    const ssize_t count = ::read(output_read_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      output_.append({buffer.data(), static_cast<std::size_t>(count)});
      return true;
    }
    if (count == 0) {
      loop_.remove(output_read_.get());
      output_read_.reset();
    } else if (errno != EINTR) {
      return false;
    }
  }
  return false;
}

void Application::drain_output() {
  // No more than a full pipe can hold twice over: an application that writes without end must not hold the agent here.
  for (int chunks = 0; chunks < kChunksPerTurn && read_output(); ++chunks) {
  }
}

void Application::on_events(std::uint32_t) {
  for (int chunks = 0; chunks < kChunksPerTurn; ++chunks) {
    if (!read_output()) {
      return;
    }
    tell_listeners();
  }
  loop_.again(*this);
}

void Application::tell_listeners() {
  for (OutputListener* const listener : listeners_) {
    listener->on_output();
  }
}

Status Application::freeze() {
  if (state_ != ApplicationState::kRunning || test_command_) {
    return fail(ErrorKind::kConflict, "freeze: the application is not running but " + std::string(to_string(state_)));
  }
  DM_TRY(cgroup_.freeze(kFreezeTimeout), "");
  frozen_ = true;
  drain_output();
  return {};
}

Status Application::thaw() {
  if (state_ != ApplicationState::kRunning || test_command_) {
    return fail(ErrorKind::kConflict, "thaw: the application is not running but " + std::string(to_string(state_)));
  }
  DM_TRY(cgroup_.thaw(kFreezeTimeout), "");
  frozen_ = false;
  return {};
}

Status Application::set_hostname(const std::string& hostname) const {
  if (pid_ < 0 || test_command_) {
    return fail(ErrorKind::kConflict, "set the hostname: the application is not running");
  }
  DM_ASSIGN(const UniqueFd own, os::open_file("/proc/self/ns/uts", O_RDONLY), "");
  DM_ASSIGN(const UniqueFd other, os::open_file("/proc/" + std::to_string(pid_) + "/ns/uts", O_RDONLY), "");
  if (::setns(other.get(), CLONE_NEWUTS) != 0) {
    return fail_errno("enter the application's UTS namespace");
  }
  const bool set = ::sethostname(hostname.data(), hostname.size()) == 0;
  const int wrong = errno;
  if (::setns(own.get(), CLONE_NEWUTS) != 0) {
    return fail_errno("leave the application's UTS namespace");
  }
  if (!set) {
    return fail(Error::from_errno(wrong, "set the hostname to " + hostname));
  }
  return write_hostname(hostname);
}

Status Application::set_machine_id(const std::string& id) const {
  if (pid_ < 0 || test_command_) {
    return fail(ErrorKind::kConflict, "set the machine id: the application is not running");
  }
  return write_machine_id(id);
}

}  // namespace dormouse::agent
