// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "host/host.h"
#include "os/context.h"

namespace dormouse::control {

// How much memory the VMs of this host may have for themselves, together: what their processes share with nobody. A clone has
// little of that when it starts and more as it writes, so admission cannot know what it will need; what keeps the host from
// running short is that VMs which nobody uses are put to sleep, the least recently used first, when others need the room.
//
// A launch or a wake takes its room before it begins and gives it back when its processes can be measured. Without a limit room is
// always there.
//
// Thread-safe. take() blocks; it must not run on threads that suspensions need.
class MemoryBudget {
 public:
  // What a VM is expected to need until it can be measured, when there is none to learn from.
  static constexpr std::uint64_t kExpectedBytes = 48ULL << 20U;

  MemoryBudget(host::Host& host, std::optional<std::uint64_t> limit_bytes) : host_(host), limit_bytes_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // `put_one_to_sleep` begins to suspend the least recently used VM that may sleep, and returns at once; false: there is none.
  // `some_may_free`: whether some VM is on its way to give its memory back, or may be once nobody uses it. To be set before the first call of anything
  // else.
  void on_shortage(std::function<bool()> put_one_to_sleep, std::function<bool()> some_may_free) {
    put_one_to_sleep_ = std::move(put_one_to_sleep);
    some_may_free_ = std::move(some_may_free);
  }

  // Held until the memory of what was started is in use.
  using Room = std::shared_ptr<void>;

  // Waits until there is room for one more VM, making some. kResourceExhausted when none came up in the context's time, with
  // what is used and what is allowed.
  Result<Room> take(const os::Context& context);

  // Before a launch is accepted: why take() would not find room for `vms` more, as far as can be told without waiting, in the
  // words that take() has. Nothing: there is room, or some may come.
  std::optional<std::string> no_room(std::uint64_t vms) const;

  // A VM sleeps or has ended, or a room was given back: who waits looks again.
  void freed();

  // Puts VMs to sleep while more is used than allowed, since guests write after they were admitted. For a timer.
  void relieve();

 private:
  struct Use {
    std::uint64_t bytes = 0;     // in use and promised
    std::uint64_t kept = 0;      // of kept processes, which make way
    std::uint64_t expected = 0;  // of one VM more
  };
  Use use() const;  // under mutex_
  bool release_kept(std::uint64_t excess_bytes, std::unique_lock<std::mutex>& lock);
  bool make_room(std::uint64_t excess_bytes, std::uint64_t bytes_each);  // under mutex_
  void wake_waiting() const;                                             // under mutex_
  std::string sentence(const Use& now) const;

  host::Host& host_;
  const std::optional<std::uint64_t> limit_bytes_;
  std::function<bool()> put_one_to_sleep_;
  std::function<bool()> some_may_free_;

  mutable std::mutex mutex_;
  std::uint64_t promised_bytes_ = 0;    // guarded by mutex_, as is everything below
  std::list<const UniqueFd*> waiting_;  // eventfds of those in take()
  std::uint64_t falling_asleep_ = 0;    // suspensions that were asked for, and not seen to free anything yet
};

}  // namespace dormouse::control
