// SPDX-License-Identifier: Apache-2.0

#include "os/context.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace dormouse::os {

Cancellation::Cancellation() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  event_ = std::make_shared<const UniqueFd>(std::move(event));
}

void Cancellation::cancel() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_->get(), &one, sizeof one);
}

bool Cancellation::cancelled() const {
  pollfd entry{event_->get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

Context Context::with_timeout(std::chrono::milliseconds timeout) {
  return Context(Cancellation(), std::chrono::steady_clock::now() + timeout);
}

Context Context::within(std::chrono::milliseconds timeout) const {
  Context shorter = *this;
  shorter.deadline_ = std::min(deadline_, std::chrono::steady_clock::now() + timeout);
  return shorter;
}

Context Context::traced(tracing::Trace trace) const {
  Context same = *this;
  same.trace_ = std::move(trace);
  return same;
}

std::chrono::milliseconds Context::remaining() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

Status Context::check(std::string_view doing) const {
  if (cancellation_.cancelled()) {
    return fail(ErrorKind::kCancelled, std::string(doing) + ": cancelled");
  }
  if (remaining().count() == 0) {
    return fail(ErrorKind::kDeadlineExceeded, std::string(doing) + ": out of time");
  }
  return {};
}

Status Context::pause(std::chrono::milliseconds duration, std::string_view doing) const {
  const SteadyTime until = std::min(deadline_, std::chrono::steady_clock::now() + duration);
  while (std::chrono::steady_clock::now() < until && !cancellation_.cancelled()) {
    pollfd entry{cancellation_.descriptor(), POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000)));
  }
  return check(doing);
}

Result<short> Context::wait(int descriptor, short poll_events, std::string_view doing) const {
  for (;;) {
    std::array<pollfd, 2> entries{pollfd{descriptor, poll_events, 0}, pollfd{cancellation_.descriptor(), POLLIN, 0}};
    const auto timeout = std::min<std::int64_t>(remaining().count(), 1'000'000'000);
    const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(timeout));
    if (ready < 0 && errno != EINTR) {
      return fail_errno(doing);
    }
    if (ready > 0 && entries[0].revents != 0 && entries[1].revents == 0) {
      return entries[0].revents;
    }
    DM_TRY(check(doing), "");
  }
}

}  // namespace dormouse::os
