// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "control/microvm_task.h"

namespace dormouse::control {

// The tasks of the VMs that are not TERMINATED. Thread-safe. The host's callbacks share it, so that they may come late.
class LiveMicrovms {
 public:
  // With `memory_mib_max`: unless the account's VMs would together have more; then it answers what they have.
  std::optional<std::uint64_t> add(const std::shared_ptr<MicrovmTask>& task,
                                   const std::optional<std::uint64_t>& memory_mib_max = std::nullopt) {
    const Microvm record = task->published();
    const std::lock_guard lock(mutex_);
    const auto used = memory_mib_.find(record.account);
    const std::uint64_t before = used == memory_mib_.end() ? 0 : used->second;
    const auto memory_mib = static_cast<std::uint64_t>(record.memory_mib);
    if (memory_mib_max && before + memory_mib > *memory_mib_max) {
      return before;
    }
    memory_mib_[record.account] = before + memory_mib;
    by_id_[record.microvm_id] = task;
    by_endpoint_[record.endpoint_id] = task;
    return std::nullopt;
  }
  void remove(const Microvm& record) {
    const std::lock_guard lock(mutex_);
    if (by_id_.erase(record.microvm_id) == 0) {
      return;
    }
    by_endpoint_.erase(record.endpoint_id);
    const auto used = memory_mib_.find(record.account);
    used->second -= static_cast<std::uint64_t>(record.memory_mib);
    if (used->second == 0) {
      memory_mib_.erase(used);
    }
  }
  std::uint64_t memory_mib(const std::string& account) const {
    const std::lock_guard lock(mutex_);
    const auto used = memory_mib_.find(account);
    return used == memory_mib_.end() ? 0 : used->second;
  }
  std::shared_ptr<MicrovmTask> find(const std::string& microvm_id) const { return find_in(by_id_, microvm_id); }
  std::shared_ptr<MicrovmTask> find_endpoint(const std::string& id) const { return find_in(by_endpoint_, id); }
  // The one that nobody has used for the longest time, of those that may yield their memory.
  std::shared_ptr<MicrovmTask> least_recently_used() const {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<MicrovmTask> found;
    std::optional<SteadyTime::duration> longest;
    for (const auto& [id, task] : by_id_) {
      const auto unused = task->unused_for();
      if (unused && (!longest || *unused > *longest)) {
        longest = unused;
        found = task;
      }
    }
    return found;
  }
  std::uint64_t may_free_memory() const {
    const std::lock_guard lock(mutex_);
    const auto count = std::ranges::count_if(by_id_, [](const auto& entry) { return entry.second->may_free_memory(); });
    return static_cast<std::uint64_t>(count);
  }
  void clear() {
    std::unordered_map<std::string, std::shared_ptr<MicrovmTask>> tasks;
    const std::lock_guard lock(mutex_);
    memory_mib_.clear();
    by_endpoint_.clear();
    tasks.swap(by_id_);
  }

 private:
  using Tasks = std::unordered_map<std::string, std::shared_ptr<MicrovmTask>>;

  std::shared_ptr<MicrovmTask> find_in(const Tasks& tasks, const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = tasks.find(key);
    return found == tasks.end() ? nullptr : found->second;
  }

  mutable std::mutex mutex_;
  Tasks by_id_;                                                // guarded by mutex_
  Tasks by_endpoint_;                                          // guarded by mutex_
  std::unordered_map<std::string, std::uint64_t> memory_mib_;  // guarded by mutex_; by account, no zeros
};

}  // namespace dormouse::control
