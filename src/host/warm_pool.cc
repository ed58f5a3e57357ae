// SPDX-License-Identifier: Apache-2.0

#include "host/warm_pool.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "os/file.h"
#include "os/host_facts.h"

namespace dormouse::host {
namespace {

constexpr std::chrono::seconds kMakeTimeout{30};
constexpr std::chrono::seconds kReviewPeriod{10};  // of demand that has gone
constexpr std::chrono::seconds kFailurePause{30};
constexpr std::chrono::minutes kRehearsalPause{10};

}  // namespace

void Demand::launched(SteadyTime now) {
  launches_.push_back(now);
  if (launches_.size() > stock_max_) {
    launches_.pop_front();
  }
}

std::size_t Demand::wanted(SteadyTime now) const {
  if (launches_.empty() || now - launches_.back() > kKeepWindow) {
    return 0;
  }
  const auto recent = std::count_if(
      launches_.begin(), launches_.end(), [&](SteadyTime launch) { return now - launch <= kDemandWindow; });
  return std::max<std::size_t>(1, static_cast<std::size_t>(recent));
}

bool WarmPool::memory_is_short() {
  const auto memory = os::read_memory_facts();
  return memory && memory->available_bytes < kMemoryAvailableMin;
}

WarmPool::WarmPool(VmSupport& support, std::filesystem::path directory, const Clock& clock)
    : support_(support), directory_(std::move(directory)), clock_(clock), filler_([this] { fill(); }) {}

WarmPool::~WarmPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.cancel();
  changed_.notify_all();
  filler_.join();
  for (auto& [key, shelf] : shelves_) {
    for (Clone& clone : shelf.stock) {
      clone.discard();
    }
  }
}

std::optional<Clone> WarmPool::take(const std::filesystem::path& snapshot, Egress egress, Stage stage) {
  std::optional<Clone> taken;
  {
    const std::lock_guard lock(mutex_);
    Shelf& shelf = shelf_of({snapshot.string(), egress, stage});
    shelf.demand.launched(clock_.steady());
    if (!shelf.stock.empty()) {
      taken = std::move(shelf.stock.front());
      shelf.stock.pop_front();
      --figures_.stock;
      ++figures_.hits;
    } else {
      ++figures_.misses;
    }
  }
  changed_.notify_all();
  return taken;
}

void WarmPool::expect(const std::filesystem::path& snapshot, Egress egress, Stage stage) {
  {
    const std::lock_guard lock(mutex_);
    shelf_of({snapshot.string(), egress, stage}).demand.launched(clock_.steady());
  }
  changed_.notify_all();
}

void WarmPool::forget(const std::filesystem::path& snapshot) {
  std::deque<Clone> dropped;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !filling_ || std::get<0>(*filling_) != snapshot.string(); });
    for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
      if (std::get<0>(shelf->first) != snapshot.string()) {
        ++shelf;
        continue;
      }
      figures_.stock -= shelf->second.stock.size();
      std::move(shelf->second.stock.begin(), shelf->second.stock.end(), std::back_inserter(dropped));
      shelf = shelves_.erase(shelf);
    }
  }
  for (Clone& clone : dropped) {
    clone.discard();
  }
}

WarmPool::Figures WarmPool::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

WarmPool::Shelf& WarmPool::shelf_of(const Key& key) {
  return shelves_.try_emplace(key, std::get<Stage>(key)).first->second;
}

std::optional<WarmPool::Key> WarmPool::next_to_fill(SteadyTime now) {
  for (const auto& [key, shelf] : shelves_) {
    if (shelf.stock.size() < shelf.demand.wanted(now) && now >= shelf.retry_after) {
      return key;
    }
  }
  return std::nullopt;
}

// Takes out what demand does not justify any more; everything when memory is short.
std::deque<Clone> WarmPool::surplus(SteadyTime now) {
  const bool short_of_memory = memory_is_short();
  std::deque<Clone> out;
  for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
    const std::size_t wanted = short_of_memory ? 0 : shelf->second.demand.wanted(now);
    while (shelf->second.stock.size() > wanted) {
      out.push_back(std::move(shelf->second.stock.front()));
      shelf->second.stock.pop_front();
      --figures_.stock;
    }
    shelf = wanted == 0 && !short_of_memory ? shelves_.erase(shelf) : std::next(shelf);
  }
  return out;
}

void WarmPool::fill() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::deque<Clone> old = surplus(clock_.steady());
    const std::optional<Key> key = memory_is_short() ? std::nullopt : next_to_fill(clock_.steady());
    if (!key && old.empty()) {
      changed_.wait_for(lock, kReviewPeriod);
      continue;
    }
    filling_ = key;
    const std::string name = fmt::format("warm-{}", next_name_++);
    const bool rehearsal = key && clock_.steady() >= shelf_of(*key).rehearsal_after;
    lock.unlock();
    for (Clone& clone : old) {
      clone.discard();
    }
    Result<Clone> made = fail(ErrorKind::kCancelled, "nothing to make");
    if (key) {
      const os::Context context(stop_, std::chrono::steady_clock::now() + kMakeTimeout);
      const auto& [snapshot, egress, stage] = *key;
      const CloneRequest request{name, directory_ / name, snapshot, egress};
      made = stage == Stage::kSettled ? make_settled_clone(support_, request, rehearsal, context)
                                      : start_clone(support_, request, WayOut::kOpen, context);
    }
    lock.lock();
    filling_.reset();
    if (key && made) {
      shelf_of(*key).stock.push_back(*std::move(made));
      ++figures_.stock;
    } else if (key && !stopping_) {
      log::warning("a clone could not be made ahead", {{"error", made.error().message()}});
      Shelf& shelf = shelf_of(*key);
      if (rehearsal && std::get<Stage>(*key) == Stage::kSettled) {
        shelf.rehearsal_after = clock_.steady() + kRehearsalPause;  // and now without
      } else {
        shelf.retry_after = clock_.steady() + kFailurePause;
      }
    }
    changed_.notify_all();
  }
}

}  // namespace dormouse::host
