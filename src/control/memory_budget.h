// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "host/host.h"
#include "os/context.h"

namespace dormouse::control {

// How much memory the VMs of this host may have for themselves, together: what their processes share with nobody. A clone has
// little of that when it starts and more as it writes, so admission cannot know what it will need; what keeps the host from
// running short is that VMs which nobody uses are put to sleep, the least recently used first, when others need the room.
//
// Every VM that is to come up has a Room: a launch from when it is accepted, so that those accepted together do not count on
// the same memory, a wake from when it begins. It is given back when the VM's processes can be measured, or nothing came of
// it. Without a limit room is always there.
//
// Thread-safe. wait() and take() block; they must not run on threads that suspensions need.
class MemoryBudget {
 public:
  // What a VM is expected to need until it can be measured, when there is none to learn from.
  static constexpr std::uint64_t kExpectedBytes = 48ULL << 20U;

  MemoryBudget(host::Host& host, std::optional<std::uint64_t> limit_bytes) : host_(host), limit_bytes_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // `put_one_to_sleep` begins to suspend the least recently used VM that may sleep, and returns at once; false: there is none.
  // `may_free`: how many VMs are on their way to give their memory back, or may be once nobody uses them. To be set before the
  // first call of anything else.
  void on_shortage(std::function<bool()> put_one_to_sleep, std::function<std::uint64_t()> may_free) {
    put_one_to_sleep_ = std::move(put_one_to_sleep);
    may_free_ = std::move(may_free);
  }

  // One VM's place in the budget: what it is expected to need is promised to it, or it waits for that. The budget outlives it.
  class Room {
   public:
    explicit Room(MemoryBudget& budget) : budget_(budget) {}
    ~Room() { give_back(); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    void give_back();  // once the VM can be measured; what is not given back then is at the end. Idempotent

   private:
    friend class MemoryBudget;
    enum class State { kNew, kWaiting, kPromised, kGivenBack };
    MemoryBudget& budget_;
    State state_ = State::kNew;         // guarded by budget_.mutex_
    std::uint64_t promised_bytes_ = 0;  // guarded by budget_.mutex_; of kPromised
  };
  using RoomPointer = std::shared_ptr<Room>;  // jobs that hold it are copied

  // Accepts so many launches: rooms that have what they need, or will in wait(), as far as can be told without waiting; that
  // is counted in VMs, since what one of them has is not known. Or why there are none, in the words that wait() has.
  tl::expected<std::vector<RoomPointer>, std::string> admit(std::uint64_t vms);

  // Waits until the room has what it needs, making others sleep. kResourceExhausted when nothing came up in the context's time,
  // with what is used and what is allowed.
  Status wait(Room& room, const os::Context& context);

  // A new room, waited for: of a VM that exists already.
  Result<RoomPointer> take(const os::Context& context);

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
  Use use() const;  // under mutex_, as all below
  void enter(Room& room);
  bool promise(Room& room, const Use& now, std::uint64_t rooms);  // if there is room for so many
  bool release_kept(std::uint64_t excess_bytes, std::unique_lock<std::mutex>& lock);
  bool make_room(std::uint64_t excess_bytes, std::uint64_t bytes_each);
  void wake_waiting() const;
  std::string sentence(const Use& now, std::uint64_t may_free) const;

  host::Host& host_;
  const std::optional<std::uint64_t> limit_bytes_;
  std::function<bool()> put_one_to_sleep_;
  std::function<std::uint64_t()> may_free_;

  mutable std::mutex mutex_;
  std::uint64_t promised_bytes_ = 0;     // guarded by mutex_, as is everything below; of all rooms
  std::uint64_t waiting_ = 0;            // rooms that have nothing yet
  std::list<const UniqueFd*> sleepers_;  // eventfds of those in wait()
  std::uint64_t falling_asleep_ = 0;     // suspensions that were asked for, and not seen to free anything yet
};

}  // namespace dormouse::control
