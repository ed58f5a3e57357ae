// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "base/error.h"

namespace dormouse::host {

// The user ids that VMMs run as: one per VM, so that a VMM that was taken over can touch no other one's files or process.
// Thread-safe; the pool outlives its leases.
class UserPool {
 public:
  // Holds one id until destroyed. Move only.
  class Lease {
   public:
    Lease() = default;
    Lease(UserPool& pool, unsigned id) : pool_(&pool), id_(id) {}
    ~Lease() { release(); }
    Lease(Lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), id_(other.id_) {}
    Lease& operator=(Lease&& other) noexcept {
      if (this != &other) {
        release();
        pool_ = std::exchange(other.pool_, nullptr);
        id_ = other.id_;
      }
      return *this;
    }
    unsigned id() const { return id_; }

   private:
    void release() {
      if (pool_) {
        pool_->give_back(id_);
        pool_ = nullptr;
      }
    }
    UserPool* pool_ = nullptr;
    unsigned id_ = 0;
  };

  UserPool(unsigned first, unsigned count) : first_(first), count_(count) {}

  Result<Lease> take() {
    const std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < count_; ++i) {
      const unsigned id = first_ + (next_ + i) % count_;
      if (taken_.insert(id).second) {
        next_ = (id - first_ + 1) % count_;
        return Lease(*this, id);
      }
    }
    return fail(ErrorKind::kResourceExhausted,
                "all " + std::to_string(count_) + " user ids for VMs are in use: terminate VMs, or widen the range");
  }

  // One that a VM has already, found after a restart. kConflict when another has it.
  Result<Lease> take(unsigned id) {
    const std::lock_guard lock(mutex_);
    if (!taken_.insert(id).second) {
      return fail(ErrorKind::kConflict, "user id " + std::to_string(id) + " is in use twice");
    }
    return Lease(*this, id);
  }

 private:
  void give_back(unsigned id) {
    const std::lock_guard lock(mutex_);
    taken_.erase(id);
  }

  const unsigned first_;
  const unsigned count_;
  std::mutex mutex_;
  unsigned next_ = 0;         // guarded by mutex_: an id is used again as late as possible
  std::set<unsigned> taken_;  // guarded by mutex_
};

}  // namespace dormouse::host
