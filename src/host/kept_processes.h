// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace dormouse::host {

class Guest;

// What is known of processes, and done to them. Called without locks.
struct ProcessCare {
  std::function<bool(Guest& guest)> lives;
  std::function<std::uint64_t(Guest& guest)> bytes;  // of memory that it shares with nobody
  std::function<void(Guest& guest)> end;
  std::function<bool()> memory_is_short;  // on the host
};

// Processes of VMs that are suspended, their vCPUs stopped, kept for a while after their state became durable: taking one makes a
// wake a matter of milliseconds. A cache and nothing else: the VM's files tell everything that its process knows, every one of
// these may be ended at any moment, and none outlives the daemon. The oldest goes first; all go when memory is short.
//
// Thread-safe. take() never waits for a process to end.
class KeptProcesses {
 public:
  struct Limits {
    std::chrono::seconds time{60};  // 0: none is kept
    std::size_t count = 64;
    std::uint64_t bytes = 0;  // together
  };
  // For how long nothing is kept after release(): who is short of memory suspends others to get it.
  static constexpr std::chrono::seconds kPause{10};

  KeptProcesses(const Limits& limits, ProcessCare care, const Clock& clock);
  ~KeptProcesses();  // ends all
  KeptProcesses(const KeptProcesses&) = delete;
  KeptProcesses& operator=(const KeptProcesses&) = delete;

  // False: it is not kept, and its end is the caller's to bring about.
  bool keep(const std::string& microvm_id, std::shared_ptr<Guest> guest);

  // The process of that VM, which lives; nothing if there is none any more.
  std::shared_ptr<Guest> take(const std::string& microvm_id);

  // Ends the process of that VM, if there is one.
  void drop(const std::string& microvm_id);

  // Ends the oldest until so many bytes came back, or none is left, and keeps none for a while. What came back.
  std::uint64_t release(std::uint64_t bytes);

  // Ends those whose time is over; all when the host's memory is short. To be called about once a second.
  void review();

  struct Figures {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;  // wakes that found theirs
  };
  Figures figures() const;

 private:
  struct Kept {
    std::string microvm_id;
    std::shared_ptr<Guest> guest;
    std::uint64_t bytes = 0;
    SteadyTime until;
  };

  std::shared_ptr<Guest> remove(const std::string& microvm_id);
  // Takes the oldest out while `wanted` says so; for the caller to end without the lock.
  std::deque<Kept> remove_while(const std::function<bool(const Kept& oldest)>& wanted);  // under mutex_
  void end(const std::deque<Kept>& processes) const;

  const Limits limits_;
  const ProcessCare care_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::deque<Kept> kept_;  // the oldest first; guarded by mutex_, as is everything below
  std::uint64_t bytes_ = 0;
  std::uint64_t hits_ = 0;
  SteadyTime paused_until_{};
};

}  // namespace dormouse::host
