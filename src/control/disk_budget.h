// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "os/context.h"
#include "os/host_facts.h"

namespace dormouse::control {

// How much more the data directory may take, and why.
struct DiskRoom {
  std::optional<std::uint64_t> budget_bytes;  // none: the file system alone is the bound
  std::uint64_t held_bytes = 0;               // by the data directory
  std::uint64_t file_system_bytes = 0;
  std::uint64_t available_bytes = 0;  // on the file system
  std::uint64_t promised_bytes = 0;   // to what was accepted, as far as the file system does not show it yet

  // The smaller of what the budget and the file system have left.
  std::uint64_t left() const;
};

// Refuses what would fill the disk before it begins: builds, launches, checkpoints, suspensions.
//
// What the data directory holds is counted now and then, since that is a walk over its files. In between, what the file
// system has less than then is taken for ours, whoever took it; before anything is refused it is counted anew. Builds,
// launches and checkpoints leave room for every VM that runs to be put to sleep.
//
// What is accepted has a Room until it is done, so that those accepted together do not count on the same free bytes. What the
// file system loses meanwhile is taken for what the rooms are for, whoever took it: nothing is counted twice.
//
// Thread-safe. One counts at a time; who needs a count meanwhile waits for that one, and nobody else waits.
class DiskBudget {
 public:
  enum class Use { kBuild, kLaunch, kCheckpoint, kSuspension };
  static constexpr std::uint64_t kBuildBytes = 1ULL << 30U;     // for its guest's memory and its disk
  static constexpr std::uint64_t kLaunchBytes = 64ULL << 20U;   // for an overlay
  static constexpr std::uint64_t kReserveBytes = 64ULL << 20U;  // that nothing of this takes: for records and logs
  static constexpr std::chrono::seconds kCountInterval{60};
  static constexpr std::chrono::seconds kFresh{
      2};  // within which it is not counted again to refuse something, nor tried

  using Bytes = std::map<std::string, std::uint64_t>;  // by kind (control/storage.h)

  struct Sources {
    const Clock& clock;
    std::function<Result<os::FileSystemFacts>()> file_system;        // that the data directory is on
    std::function<Result<Bytes>(const os::Context& context)> count;  // of the data directory; may take seconds
    std::function<std::uint64_t()> running_bytes;                    // that the VMs that run have in memory
    std::function<std::uint64_t()> suspension_bytes;                 // of these, that one of them has
  };

  DiskBudget(Sources sources, std::optional<std::uint64_t> budget_bytes)
      : sources_(std::move(sources)), budget_bytes_(budget_bytes) {}

  // The promise of so many bytes, until it goes. The budget outlives it.
  class Room {
   public:
    Room(DiskBudget& budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    ~Room() { budget_.give_back(bytes_); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

   private:
    DiskBudget& budget_;
    const std::uint64_t bytes_;
  };
  using RoomPointer = std::shared_ptr<const Room>;  // jobs that hold it are copied

  // Room for so many of them at once. kResourceExhausted if there is none; the message is a sentence for the tenant, without
  // its full stop.
  Result<RoomPointer> take(Use use, std::uint64_t times = 1);

  // Counts, and warns the operator when the budget comes to its end. To be called every kCountInterval.
  void count();

  DiskRoom room() const;
  Bytes by_kind() const;  // as counted last

 private:
  struct Counted {
    Bytes bytes;
    std::uint64_t available_bytes = 0;  // on the file system, then
  };
  std::uint64_t bytes_of(Use use) const;
  RoomPointer promise(std::uint64_t bytes, std::uint64_t needed, DiskRoom& found);  // nullptr: `found` has less
  void give_back(std::uint64_t bytes);
  static std::string sentence(Use use, std::uint64_t need, const DiskRoom& found);
  DiskRoom look() const;                                             // under mutex_
  void note_promises(std::uint64_t unseen, const DiskRoom& looked);  // under mutex_
  void count_unless_fresh();
  void count_alone();  // under counting_
  void warn(const DiskRoom& room);

  const Sources sources_;
  const std::optional<std::uint64_t> budget_bytes_;

  std::mutex counting_;              // taken before mutex_
  std::optional<SteadyTime> tried_;  // guarded by counting_; when it was counted last, or that failed

  mutable std::mutex mutex_;
  std::optional<Counted> counted_;    // guarded by mutex_
  unsigned warned_ = 0;               // guarded by mutex_; the share, in percent, that the last warning named
  std::uint64_t promised_bytes_ = 0;  // guarded by mutex_; of all rooms
  // Of these, what the file system did not show yet when it had so many bytes available. Guarded by mutex_.
  std::uint64_t unseen_bytes_ = 0;
  std::uint64_t noted_available_ = 0;
};

// A room that may be none's: without a budget there always is one, nullptr.
Result<DiskBudget::RoomPointer> take_disk_room(DiskBudget* budget, DiskBudget::Use use, std::uint64_t times = 1);

// "512 MiB", "1.5 GiB".
std::string size_text(std::uint64_t bytes);

}  // namespace dormouse::control
