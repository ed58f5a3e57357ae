// SPDX-License-Identifier: Apache-2.0
//
// dormouse-agent: PID 1 of every guest. `--test-listen unix:PATH|tcp:PORT` runs it in an ordinary process instead, where it
// mounts nothing and cannot freeze or power off; `--test-application COMMAND` is what start_application then runs.

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "agent/application.h"
#include "agent/boot.h"
#include "agent/interfaces.h"
#include "agent/loop.h"
#include "agent/reaper.h"
#include "agent/server.h"

namespace dormouse::agent {
namespace {

struct TestOptions {
  std::string listen;
  std::string command = "exec sleep infinity";
};

Result<UniqueFd> listen_on_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalidArgument, "socket path too long: " + path);
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    return fail_errno("listen on " + path);
  }
  return socket;
}

Result<UniqueFd> listen_on_port(std::string_view text) {
  std::uint16_t port = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), port).ec != std::errc()) {
    return fail(ErrorKind::kInvalidArgument, "not a port: " + std::string(text));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    return fail_errno("listen on port " + std::string(text));
  }
  return socket;
}

Result<UniqueFd> listen_for_test(const std::string& where) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kTcp = "tcp:";
  if (where.starts_with(kUnix)) {
    return listen_on_path(where.substr(kUnix.size()));
  }
  if (where.starts_with(kTcp)) {
    return listen_on_port(std::string_view(where).substr(kTcp.size()));
  }
  return fail(ErrorKind::kInvalidArgument, "--test-listen " + where + ": give unix:PATH or tcp:PORT");
}

// Returns only on failure.
Status run(const std::optional<TestOptions>& test) {
  Server::Options options;
  options.machine = !test;
  UniqueFd listener;
  if (test) {
    DM_ASSIGN(listener, listen_for_test(test->listen), "");
  } else {
    DM_ASSIGN(options.role, boot(), "boot");
    DM_ASSIGN(listener, listen_on_interface(), "boot");
  }
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
    return fail_errno("ignore SIGPIPE");
  }
  DM_ASSIGN(const auto loop, Loop::create(), "");
  DM_ASSIGN(const auto reaper, Reaper::create(*loop), "");
  Application application(*loop, *reaper, test ? std::optional(test->command) : std::nullopt);
  Server server(*loop, *reaper, application, options);
  DM_TRY(server.serve(std::move(listener)), "");
  if (!test) {
    console("ready as " + std::string(to_string(options.role)));
  }
  loop->run();
}

std::optional<TestOptions> parse(int argument_count, char** arguments) {
  TestOptions options;
  for (int i = 1; i + 1 < argument_count; i += 2) {
    const std::string_view name = arguments[i];
    if (name == "--test-listen") {
      options.listen = arguments[i + 1];
    } else if (name == "--test-application") {
      options.command = arguments[i + 1];
    }
  }
  return options.listen.empty() ? std::nullopt : std::optional(options);
}

}  // namespace
}  // namespace dormouse::agent

int main(int argument_count, char** arguments) {
  using namespace dormouse::agent;
  const bool machine = ::getpid() == 1;
  const auto test = machine ? std::nullopt : parse(argument_count, arguments);
  if (!machine && !test) {
    console("not PID 1: usage: dormouse-agent --test-listen unix:PATH|tcp:PORT [--test-application COMMAND]");
    return 2;
  }
  const auto ended = run(test);
  console(ended ? "ended" : ended.error().message());
  if (machine) {
    power_off();
  }
  return 1;
}
