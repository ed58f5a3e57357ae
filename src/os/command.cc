// SPDX-License-Identifier: Apache-2.0

#include "os/command.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "os/file.h"

namespace dormouse::os {
namespace {

constexpr std::chrono::seconds kReapTimeout{10};

// Kills the group that `process` leads and reaps the leader.
void end_group(Process& process) {
  ::kill(-process.pid(), SIGKILL);
  process.kill(SIGKILL);
  static_cast<void>(process.wait(Context::with_timeout(kReapTimeout)));
}

// Reads `fd` to its end.
Status drain(int fd, const OutputObserver& observer, std::string_view doing, const Context& context) {
  std::array<char, 16384> buffer;
  for (;;) {
    DM_TRY(context.wait(fd, POLLIN, doing), "");
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) {
      return {};
    }
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) {
        continue;
      }
      return fail_errno("read output of " + std::string(doing));
    }
    observer(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
  }
}

}  // namespace

Result<ProcessEnd> run_command(const Command& command, const OutputObserver& observer, const Context& context) {
  const std::string doing = "run " + command.arguments.at(0);
  DM_TRY(context.check(doing), "");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail_errno("pipe2");
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  DM_ASSIGN(const UniqueFd null, open_file("/dev/null", O_RDONLY), doing);

  SpawnRequest request;
  request.arguments = command.arguments;
  request.environment = command.environment;
  request.descriptors = {{null.get(), 0}, {writer.get(), 1}, {writer.get(), 2}};
  DM_ASSIGN(Process process, Process::spawn(request), "");
  writer.reset();

  if (Status drained = drain(reader.get(), observer, doing, context); !drained) {
    end_group(process);
    return fail(std::move(drained).error());
  }
  Result<ProcessEnd> end = process.wait(context);
  if (!end) {
    end_group(process);
  }
  return end;
}

Result<std::string> run_for_output(const Command& command, std::size_t size_bytes_max, const Context& context) {
  std::string output;
  bool too_long = false;
  const auto observer = [&](std::string_view piece) {
    too_long = too_long || output.size() + piece.size() > size_bytes_max;
    if (!too_long) {
      output += piece;
    }
  };
  DM_ASSIGN(const ProcessEnd end, run_command(command, observer, context), "");
  if (end.exit_code != 0) {
    return fail(ErrorKind::kInternal, command.arguments[0] + ": " + end.describe() + ": " + last_lines(output, 3));
  }
  if (too_long) {
    return fail(ErrorKind::kInternal,
                command.arguments[0] + ": output is longer than " + std::to_string(size_bytes_max) + " bytes");
  }
  return output;
}

std::string last_lines(std::string_view text, std::size_t lines_max) {
  std::string joined;
  while (!text.empty() && lines_max > 0) {
    const std::size_t newline = text.rfind('\n');
    const std::string_view line = newline == std::string_view::npos ? text : text.substr(newline + 1);
    text = text.substr(0, newline == std::string_view::npos ? 0 : newline);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    joined = joined.empty() ? std::string(line) : std::string(line) + "; " + joined;
    --lines_max;
  }
  return joined;
}

}  // namespace dormouse::os
