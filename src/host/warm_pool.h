// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>

#include "base/clock.h"
#include "host/clone.h"
#include "os/context.h"

namespace dormouse::host {

// How far a clone was made ahead: its process started, for a VM that wakes with a state of its own; or restored and settled,
// for a launch.
enum class Stage { kStarted, kSettled };

// How many clones of one snapshot to have ready: as many as were launched in the last kDemandWindow, at most stock_max();
// one after that for as long as kKeepWindow since the last launch; then none. Pure: time is a parameter.
class Demand {
 public:
  static constexpr std::chrono::seconds kDemandWindow{20};
  static constexpr std::chrono::seconds kKeepWindow{600};

  // A settled clone holds several times the memory of a process that was merely started.
  static constexpr std::size_t stock_max(Stage stage) { return stage == Stage::kSettled ? 8 : 24; }

  explicit Demand(Stage stage) : stock_max_(stock_max(stage)) {}

  void launched(SteadyTime now);
  std::size_t wanted(SteadyTime now) const;

 private:
  std::size_t stock_max_;
  std::deque<SteadyTime> launches_;  // the newest last; no more than stock_max_
};

// Clones made ahead. Settled ones are restored, reseeded once, their applications frozen, with an identity that is nobody's:
// taking one makes a launch as fast as thawing it. When there are as many as wanted, they rehearse (host/rehearsal.h). Filled
// in the background by one thread, sized by recent demand, dropped first when the host's memory is short. What an earlier
// daemon left is removed by LocalHost::recover.
//
// Thread-safe. take() never waits for a clone to be made, and at most kRehearsalPatience for one that rehearses.
class WarmPool {
 public:
  // The pool drops its stock, and makes none, while the host has less memory than this available.
  static constexpr std::uint64_t kMemoryAvailableMin = 2ULL << 30U;
  static bool memory_is_short();

  WarmPool(VmSupport& support, std::filesystem::path directory, const Clock& clock);
  ~WarmPool();  // discards the stock
  WarmPool(const WarmPool&) = delete;
  WarmPool& operator=(const WarmPool&) = delete;

  // A clone of the snapshot with this egress, if there is one; waits a moment for one that is rehearsing. Counts as demand in
  // either case.
  std::optional<Clone> take(const std::filesystem::path& snapshot, Egress egress, Stage stage);

  // One will likely be taken soon: the snapshot was just built, or a VM of it was suspended.
  void expect(const std::filesystem::path& snapshot, Egress egress, Stage stage);

  // Lets go of all clones of a snapshot, which is about to be removed.
  void forget(const std::filesystem::path& snapshot);

  struct Figures {
    std::size_t stock = 0;
    std::size_t started = 0;    // of these, for VMs that wake
    std::size_t rehearsed = 0;  // of the others
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;  // launches and wakes that took the slow path
  };
  Figures figures() const;

 private:
  using Key = std::tuple<std::string, Egress, Stage>;  // snapshot directory, egress
  struct Shelf {
    explicit Shelf(Stage stage) : demand(stage) {}
    Demand demand;
    std::deque<Clone> stock;
    std::size_t rehearsed = 0;    // of these, the first so many
    SteadyTime retry_after{};     // after a failure
    SteadyTime rehearse_after{};  // after an application did not live through it

    Clone take_first();
    Clone take_last();
  };

  Shelf& shelf_of(const Key& key);  // under mutex_
  // What the filler does next: makes a clone, or has this one rehearse.
  struct Job {
    Key key;
    std::string name;
    std::optional<Clone> rehearses;
  };
  void fill();
  std::optional<Job> next_job(SteadyTime now);  // under mutex_, as the next two
  std::deque<Clone> surplus(SteadyTime now);
  void store(const Job& job, Result<Clone> made);
  Result<Clone> work(Job& job);

  VmSupport& support_;
  const std::filesystem::path directory_;
  const Clock& clock_;
  const os::Cancellation stop_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_, as is everything below
  std::map<Key, Shelf> shelves_;
  std::optional<Key> filling_;  // a clone of it is being made
  bool rehearsing_ = false;     // or is rehearsing
  std::uint64_t next_name_ = 0;
  Figures figures_;

  std::thread filler_;
};

}  // namespace dormouse::host
