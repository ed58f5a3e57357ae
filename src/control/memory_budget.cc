// SPDX-License-Identifier: Apache-2.0

#include "control/memory_budget.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/scope_exit.h"

namespace dormouse::control {
namespace {

constexpr std::chrono::milliseconds kLookAgain{250};  // guests give memory back without telling

}  // namespace

MemoryBudget::Use MemoryBudget::use() const {
  const host::MemoryUse measured = host_.memory_use();
  const std::uint64_t expected = measured.vms == 0 ? kExpectedBytes : measured.private_bytes / measured.vms;
  return {measured.private_bytes + promised_bytes_, measured.kept_bytes, std::max(expected, kExpectedBytes / 4)};
}

// Processes that are kept go before any VM sleeps. That takes a while and is done without the lock; it also keeps those of VMs
// that are now put to sleep from being kept.
bool MemoryBudget::release_kept(std::uint64_t excess_bytes, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const std::uint64_t released = host_.release_kept(excess_bytes);
  lock.lock();
  return released > 0;
}

// Under mutex_. False: nobody sleeps because of it, now or soon.
bool MemoryBudget::make_room(std::uint64_t excess_bytes, std::uint64_t bytes_each) {
  const std::uint64_t wanted = (excess_bytes + bytes_each - 1) / bytes_each;
  while (falling_asleep_ < wanted && put_one_to_sleep_()) {
    ++falling_asleep_;
  }
  return falling_asleep_ > 0;
}

Result<MemoryBudget::Room> MemoryBudget::take(const os::Context& context) {
  if (!limit_bytes_) {
    return Room();
  }
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    return fail_errno("make an eventfd");
  }
  std::unique_lock lock(mutex_);
  const auto place = waiting_.insert(waiting_.end(), &event);
  const ScopeExit leave([&] { waiting_.erase(place); });  // under the lock, whichever way it ends
  for (;;) {
    const Use now = use();
    if (now.bytes + now.kept + now.expected <= *limit_bytes_) {
      promised_bytes_ += now.expected;
      return Room(nullptr, [this, bytes = now.expected](void*) {
        const std::lock_guard again(mutex_);
        promised_bytes_ -= bytes;
        wake_waiting();
      });
    }
    const std::uint64_t excess = now.bytes + now.kept + waiting_.size() * now.expected - *limit_bytes_;
    if (release_kept(excess, lock)) {
      continue;
    }
    make_room(excess, now.expected);
    lock.unlock();
    const auto woken = context.within(kLookAgain).wait(event.get(), POLLIN, "wait for memory");
    const Status going_on = context.check("wait for memory");
    lock.lock();
    if (!going_on) {
      if (going_on.error().kind() == ErrorKind::kCancelled) {
        return tl::unexpected(going_on.error());
      }
      return fail(ErrorKind::kResourceExhausted, sentence(now));
    }
    if (woken) {
      eventfd_t value = 0;
      ::eventfd_read(event.get(), &value);
    } else {
      falling_asleep_ = 0;  // what was asked for may have come to nothing
    }
  }
}

std::optional<std::string> MemoryBudget::no_room(std::uint64_t vms) const {
  if (!limit_bytes_) {
    return std::nullopt;
  }
  const std::lock_guard lock(mutex_);
  const Use now = use();
  const std::uint64_t ahead = waiting_.size();  // who waits comes first
  const bool fits = now.bytes + (ahead + vms) * now.expected <= *limit_bytes_;
  return fits || falling_asleep_ > 0 || some_may_free_() ? std::nullopt : std::optional(sentence(now));
}

std::string MemoryBudget::sentence(const Use& now) const {
  return fmt::format(
      "VMs use {} MiB of the {} MiB that --memory-budget allows, and none of them is idle and woken "
      "by requests: suspend or terminate some",
      now.bytes >> 20U,
      *limit_bytes_ >> 20U);
}

void MemoryBudget::freed() {
  const std::lock_guard lock(mutex_);
  falling_asleep_ -= std::min<std::uint64_t>(falling_asleep_, 1);
  wake_waiting();
}

void MemoryBudget::wake_waiting() const {
  for (const UniqueFd* const event : waiting_) {
    ::eventfd_write(event->get(), 1);
  }
}

void MemoryBudget::relieve() {
  if (!limit_bytes_) {
    return;
  }
  std::unique_lock lock(mutex_);
  falling_asleep_ = 0;
  Use now = use();
  if (now.bytes + now.kept > *limit_bytes_ && release_kept(now.bytes + now.kept - *limit_bytes_, lock)) {
    now = use();
  }
  if (now.bytes > *limit_bytes_ && !make_room(now.bytes - *limit_bytes_, now.expected)) {
    log::warning(
        "VMs use more memory than they may, and none can be put to sleep",
        {{"used_mib", std::to_string(now.bytes >> 20U)}, {"allowed_mib", std::to_string(*limit_bytes_ >> 20U)}});
  }
}

}  // namespace dormouse::control
