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

void MemoryBudget::Room::give_back() {
  const std::lock_guard lock(budget_.mutex_);
  if (state_ == State::kWaiting) {
    --budget_.waiting_;
  }
  budget_.promised_bytes_ -= std::exchange(promised_bytes_, 0);
  state_ = State::kGivenBack;
  budget_.wake_waiting();
}

void MemoryBudget::enter(Room& room) {
  room.state_ = Room::State::kWaiting;
  ++waiting_;
}

bool MemoryBudget::promise(Room& room, const Use& now, std::uint64_t rooms) {
  if (now.bytes + now.kept + rooms * now.expected > *limit_bytes_) {
    return false;
  }
  room.state_ = Room::State::kPromised;
  room.promised_bytes_ = now.expected;
  promised_bytes_ += now.expected;
  --waiting_;
  return true;
}

tl::expected<std::vector<MemoryBudget::RoomPointer>, std::string> MemoryBudget::admit(std::uint64_t vms) {
  std::vector<RoomPointer> rooms(vms);
  std::ranges::generate(rooms, [this] { return std::make_shared<Room>(*this); });
  if (!limit_bytes_) {
    return rooms;
  }
  const std::lock_guard lock(mutex_);
  Use now = use();
  const std::uint64_t wanted = now.bytes + (waiting_ + vms) * now.expected;  // who waits comes first
  if (wanted > *limit_bytes_) {
    const std::uint64_t may_free = may_free_();
    if (may_free * now.expected < wanted - *limit_bytes_) {
      return tl::unexpected(sentence(now, may_free));
    }
  }
  for (const RoomPointer& room : rooms) {
    enter(*room);
    if (promise(*room, now, waiting_)) {
      now.bytes += now.expected;
    }
  }
  return rooms;
}

Result<MemoryBudget::RoomPointer> MemoryBudget::take(const os::Context& context) {
  const auto room = std::make_shared<Room>(*this);
  DM_TRY(wait(*room, context), "");
  return room;
}

Status MemoryBudget::wait(Room& room, const os::Context& context) {
  if (!limit_bytes_) {
    return {};
  }
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    return fail_errno("make an eventfd");
  }
  std::unique_lock lock(mutex_);
  if (room.state_ == Room::State::kNew) {
    enter(room);
  }
  const auto place = sleepers_.insert(sleepers_.end(), &event);
  const ScopeExit leave([&] { sleepers_.erase(place); });  // under the lock, whichever way it ends
  while (room.state_ == Room::State::kWaiting) {
    const Use now = use();
    if (promise(room, now, 1)) {
      break;
    }
    const std::uint64_t excess = now.bytes + now.kept + waiting_ * now.expected - *limit_bytes_;
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
      return fail(ErrorKind::kResourceExhausted, sentence(now, may_free_()));
    }
    if (woken) {
      eventfd_t value = 0;
      ::eventfd_read(event.get(), &value);
    } else {
      falling_asleep_ = 0;  // what was asked for may have come to nothing
    }
  }
  return {};
}

std::string MemoryBudget::sentence(const Use& now, std::uint64_t may_free) const {
  const std::string others = may_free == 0
                                 ? "none of them is idle and woken by requests"
                                 : fmt::format("the {} that may be put to sleep when idle are not enough", may_free);
  return fmt::format("VMs use {} MiB of the {} MiB that --memory-budget allows, and {}: suspend or terminate some",
                     now.bytes >> 20U,
                     *limit_bytes_ >> 20U,
                     others);
}

void MemoryBudget::freed() {
  const std::lock_guard lock(mutex_);
  falling_asleep_ -= std::min<std::uint64_t>(falling_asleep_, 1);
  wake_waiting();
}

void MemoryBudget::wake_waiting() const {
  for (const UniqueFd* const event : sleepers_) {
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
