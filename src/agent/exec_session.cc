// SPDX-License-Identifier: Apache-2.0

#include "agent/exec_session.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "os/file.h"
#include "protocol/limits.h"

namespace dormouse::agent {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{16} << 10;
constexpr int kChunksPerTurn = 16;

std::vector<std::string> environment_of(const protocol::Exec& request) {
  protocol::Environment environment = request.environment;
  environment.emplace("PATH", kDefaultPath);
  environment.emplace("HOME", "/root");
  std::vector<std::string> entries;
  for (const auto& [name, value] : environment) {
    entries.push_back(name + "=" + value);
  }
  return entries;
}

}  // namespace

ExecSession::ExecSession(Loop& loop, std::unique_ptr<HostStream> host, Reaper& reaper)
    : FrameSession(loop, std::move(host)), reaper_(reaper) {}

ExecSession::~ExecSession() {
  loop().disarm(*this);
  kill_group();
  close(input_);
  close(output_);
  close(error_);
}

void ExecSession::begin(const protocol::Exec& request) {
  const auto started = start(request);
  if (!started) {
    host().send(protocol::FrameType::kRefusal, protocol::encode(started.error()));
    finish();
    return;
  }
  pid_ = *started;
  reaper_.expect(pid_, [this](const protocol::ExitStatus& status) {
    status_ = status;
    on_events(0);
  });
  if (request.timeout_ms != 0) {
    loop().arm(*this, SteadyTime::clock::now() + std::chrono::milliseconds(request.timeout_ms));
  }
  answer(protocol::encode_empty_answer());
  work();
}

Answered<pid_t> ExecSession::start(const protocol::Exec& request) {
  const auto path = request.environment.find("PATH");
  const auto program =
      find_program(request.argv.front(), path == request.environment.end() ? kDefaultPath : path->second);
  if (!program) {
    return tl::unexpected(program.error());
  }
  auto output = make_output_pipe();
  auto error = make_output_pipe();
  auto input = make_output_pipe();
  auto null = os::open_file("/dev/null", O_RDONLY);
  if (!output || !error || !input || !null) {
    return refuse(ErrorKind::kResourceExhausted, "internal", "no pipes for the process");
  }
  ProcessPlan plan;
  plan.program = *program;
  plan.arguments = request.argv;
  plan.environment = environment_of(request);
  plan.working_directory = request.working_directory;
  plan.output = output->write_end.get();
  plan.error = error->write_end.get();
  plan.input = null->get();
  if (request.takes_stdin) {
    plan.input = input->read_end.get();
    // Blocking for the process, not for us.
    const int flags = ::fcntl(input->read_end.get(), F_GETFL);
    ::fcntl(input->read_end.get(), F_SETFL, flags & ~O_NONBLOCK);
    if (const auto set = set_nonblocking(input->write_end.get()); !set) {
      return refuse("internal", set.error());
    }
    input_.descriptor = std::move(input->write_end);
  }
  const auto pid = start_process(plan);
  if (!pid) {
    return refuse(pid.error().kind() == ErrorKind::kNotFound ? "executable_not_found" : "not_started", pid.error());
  }
  output_.descriptor = std::move(output->read_end);
  error_.descriptor = std::move(error->read_end);
  for (Port* const port : {&input_, &output_, &error_}) {
    if (port->descriptor) {
      if (const auto added = loop().add(port->descriptor.get(), *port); !added) {
        ::kill(-*pid, SIGKILL);
        return refuse("internal", added.error());
      }
    }
  }
  return *pid;
}

void ExecSession::work() {
  take_frames();
  if (told_exit_) {
    return;  // until the host closes
  }
  pass_output(output_, protocol::FrameType::kStdout);
  pass_output(error_, protocol::FrameType::kStderr);
  if (status_ && host().idle() && !more_output_) {
    // Both pipes were just read empty; what descendants write from now on is lost with them.
    host().send(protocol::FrameType::kExit, protocol::encode(protocol::ExecExit{*status_, timed_out_}));
    kill_group();
    close(input_);
    told_exit_ = true;
  }
  if (std::exchange(more_output_, false)) {
    loop().again(*this);
  }
}

void ExecSession::take_frames() {
  for (;;) {
    pass_input();
    if (!pending_input_.empty()) {
      return;  // one frame of input waits here at most: the host is to feel how slow the process is
    }
    auto frame = host().next_frame();
    if (!frame) {
      host().discard();
      return;
    }
    if (!*frame) {
      return;
    }
    if ((*frame)->type == protocol::FrameType::kStdin && !input_ended_) {
      pending_input_ = std::move((*frame)->payload);
    } else if ((*frame)->type == protocol::FrameType::kStdinEnd) {
      input_ended_ = true;
    } else {
      host().discard();
      return;
    }
  }
}

void ExecSession::pass_input() {
  while (!pending_input_.empty() && input_.descriptor) {
    const ssize_t count = ::write(input_.descriptor.get(), pending_input_.data(), pending_input_.size());
    if (count >= 0) {
      pending_input_.erase(0, static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      close(input_);  // the process reads no more
    }
  }
  if (!input_.descriptor) {
    pending_input_.clear();
  }
  if (input_ended_ && pending_input_.empty()) {
    close(input_);
  }
}

void ExecSession::pass_output(Port& port, protocol::FrameType type) {
  std::array<char, kChunkBytes> buffer;
  for (int chunks = 0; port.descriptor && host().idle() && !host().broken(); ++chunks) {
    if (chunks == kChunksPerTurn) {
      more_output_ = true;
      return;
    }
    const ssize_t count = ::read(port.descriptor.get(), buffer.data(), buffer.size());
    if (count > 0) {
      host().send(type, {buffer.data(), static_cast<std::size_t>(count)});
    } else if (count == 0) {
      close(port);
    } else if (errno != EINTR) {
      return;
    }
  }
}

void ExecSession::close(Port& port) {
  if (port.descriptor) {
    loop().remove(port.descriptor.get());
    port.descriptor.reset();
  }
}

void ExecSession::kill_group() {
  if (pid_ > 0) {
    reaper_.forget(pid_);
    ::kill(-pid_, SIGKILL);
    pid_ = -1;
  }
}

void ExecSession::on_timer() {
  timed_out_ = true;
  ::kill(-pid_, SIGKILL);
}

}  // namespace dormouse::agent
