// SPDX-License-Identifier: Apache-2.0

#include "host/process_guard.h"

#include <poll.h>

#include <array>
#include <cerrno>

namespace dormouse::host {

ProcessGuard::ProcessGuard(const os::Process& process, const os::Context& outer)
    : process_(process), outer_(outer), thread_([this] { watch(); }) {}

ProcessGuard::~ProcessGuard() {
  done_.cancel();
  thread_.join();
}

void ProcessGuard::watch() {
  std::array<pollfd, 3> entries{pollfd{process_.descriptor(), POLLIN, 0},
                                pollfd{outer_.cancellation().descriptor(), POLLIN, 0},
                                pollfd{done_.descriptor(), POLLIN, 0}};
  while (::poll(entries.data(), entries.size(), -1) < 0 && errno == EINTR) {
  }
  ended_ = entries[0].revents != 0;
  inner_.cancel();
}

}  // namespace dormouse::host
