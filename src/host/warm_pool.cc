// SPDX-License-Identifier: Apache-2.0

#include "host/warm_pool.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "host/rehearsal.h"
#include "os/file.h"
#include "os/host_facts.h"

namespace dormouse::host {
namespace {

constexpr std::chrono::seconds kMakeTimeout{30};
constexpr std::chrono::seconds kReviewPeriod{10};  // of demand that has gone
constexpr std::chrono::seconds kFailurePause{30};
constexpr std::chrono::minutes kRehearsalPause{10};
constexpr std::chrono::milliseconds kRehearsalPatience{150};  // less than a clone takes that is made now

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
    std::unique_lock lock(mutex_);
    const Key key{snapshot.string(), egress, stage};
    shelf_of(key).demand.launched(clock_.steady());
    changed_.wait_for(
        lock, kRehearsalPatience, [&] { return !shelf_of(key).stock.empty() || !rehearsing_ || filling_ != key; });
    Shelf& shelf = shelf_of(key);
    if (!shelf.stock.empty()) {
      taken = shelf.take_first();
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
  Figures figures = figures_;
  for (const auto& [key, shelf] : shelves_) {
    figures.rehearsed += shelf.rehearsed;
    figures.started += std::get<Stage>(key) == Stage::kStarted ? shelf.stock.size() : 0;
  }
  return figures;
}

WarmPool::Shelf& WarmPool::shelf_of(const Key& key) {
  return shelves_.try_emplace(key, std::get<Stage>(key)).first->second;
}

Clone WarmPool::Shelf::take_first() {
  Clone taken = std::move(stock.front());
  stock.pop_front();
  rehearsed -= std::min<std::size_t>(rehearsed, 1);
  return taken;
}

Clone WarmPool::Shelf::take_last() {
  Clone taken = std::move(stock.back());
  stock.pop_back();
  rehearsed = std::min(rehearsed, stock.size());
  return taken;
}

std::optional<WarmPool::Job> WarmPool::next_job(SteadyTime now) {
  for (const auto& [key, shelf] : shelves_) {
    if (shelf.stock.size() < shelf.demand.wanted(now) && now >= shelf.retry_after) {
      return Job{key, fmt::format("warm-{}", next_name_++), std::nullopt};
    }
  }
  for (auto& [key, shelf] : shelves_) {
    if (std::get<Stage>(key) == Stage::kSettled && shelf.rehearsed < shelf.stock.size() &&
        now >= shelf.rehearse_after && shelf.stock.back().source->manifest.run_hook_port) {
      --figures_.stock;
      return Job{key, {}, shelf.take_last()};
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
      out.push_back(shelf->second.take_last());
      --figures_.stock;
    }
    shelf = wanted == 0 && !short_of_memory ? shelves_.erase(shelf) : std::next(shelf);
  }
  return out;
}

Result<Clone> WarmPool::work(Job& job) {
  const os::Context context(stop_, std::chrono::steady_clock::now() + kMakeTimeout);
  const auto& [snapshot, egress, stage] = job.key;
  if (!job.rehearses) {
    const CloneRequest request{job.name, directory_ / job.name, snapshot, egress};
    return stage == Stage::kSettled ? make_settled_clone(support_, request, context)
                                    : start_clone(support_, request, For::kStock, context);
  }
  Clone clone = *std::move(job.rehearses);
  if (Status rehearsed = rehearse(*clone.guest, *clone.source->manifest.run_hook_port, context); !rehearsed) {
    clone.discard();
    return fail(std::move(rehearsed).error());
  }
  return clone;
}

void WarmPool::store(const Job& job, Result<Clone> made) {
  Shelf& shelf = shelf_of(job.key);
  if (made && job.rehearses) {
    shelf.stock.push_front(*std::move(made));
    ++shelf.rehearsed;
    ++figures_.stock;
  } else if (made) {
    shelf.stock.push_back(*std::move(made));
    ++figures_.stock;
  } else if (!stopping_ && job.rehearses) {
    log::warning("an application did not live through its rehearsal", {{"error", made.error().message()}});
    shelf.rehearse_after = clock_.steady() + kRehearsalPause;
  } else if (!stopping_) {
    log::warning("a clone could not be made ahead", {{"error", made.error().message()}});
    shelf.retry_after = clock_.steady() + kFailurePause;
  }
}

void WarmPool::fill() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::deque<Clone> old = surplus(clock_.steady());
    std::optional<Job> job = memory_is_short() ? std::nullopt : next_job(clock_.steady());
    if (!job && old.empty()) {
      changed_.wait_for(lock, kReviewPeriod);
      continue;
    }
    filling_ = job ? std::optional(job->key) : std::nullopt;
    rehearsing_ = job && job->rehearses;
    lock.unlock();
    for (Clone& clone : old) {
      clone.discard();
    }
    Result<Clone> made = job ? work(*job) : fail(ErrorKind::kCancelled, "nothing to make");
    lock.lock();
    filling_.reset();
    rehearsing_ = false;
    if (job) {
      store(*job, std::move(made));
    }
    changed_.notify_all();
  }
}

}  // namespace dormouse::host
