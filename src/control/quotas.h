// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace dormouse::control {

struct Rate {
  double per_second = 0;
  double burst = 1;  // calls at once, 1 at least
};

// What one account may have and do (specification section 12). Nothing: the host alone is the bound.
struct Quotas {
  std::optional<std::uint64_t> memory_mib;  // the sizes asked for, of all VMs that are not TERMINATED
  std::optional<std::size_t> images;
  std::optional<std::size_t> versions_per_image;
  std::optional<std::size_t> concurrent_builds;
  std::map<std::string, Rate, std::less<>> rates;  // by operation
};

// The service's defaults in most Regions.
Quotas aws_quotas();

// A token bucket for each account and operation that has a rate. Thread-safe. As many buckets as accounts times rates.
class RateLimiter {
 public:
  RateLimiter(const Clock& clock, std::map<std::string, Rate, std::less<>> rates)
      : clock_(clock), rates_(std::move(rates)) {}

  // Nothing: go on. Else the whole seconds after which a call will be taken, 1 at least; this one is not counted.
  std::optional<int> take(const std::string& account, std::string_view operation);

 private:
  struct Bucket {
    double tokens = 0;
    SteadyTime filled_at;
  };

  const Clock& clock_;
  const std::map<std::string, Rate, std::less<>> rates_;

  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Bucket> buckets_;  // guarded by mutex_
};

}  // namespace dormouse::control
