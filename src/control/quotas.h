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

// What is set for one account in place of the defaults, by the quota's name: "memory-mib", "images", "versions-per-image",
// "concurrent-builds", or "rate:" and an operation (calls a second). Nothing as a value: the host alone is the bound.
using QuotaSettings = std::map<std::string, std::optional<std::uint64_t>, std::less<>>;
bool is_quota(std::string_view name);  // an operation behind "rate:" is not looked at
QuotaSettings settings_of(const Quotas& quotas);
Quotas with_settings(Quotas quotas, const QuotaSettings& settings);

// The quotas of every account: defaults, and what was set for one. Thread-safe.
class AccountQuotas {
 public:
  Quotas of(const std::string& account) const;
  std::optional<Rate> rate(const std::string& account, std::string_view operation) const;

  void set_defaults(Quotas quotas);
  void set(const std::string& account, QuotaSettings settings);  // empty: the defaults hold again

 private:
  mutable std::mutex mutex_;
  Quotas defaults_;                                // guarded by mutex_
  std::map<std::string, QuotaSettings> settings_;  // guarded by mutex_; by account
};

// How every refusal of a quota ends: who can raise it, and how.
std::string how_to_raise(const std::string& account, std::string_view quota);

// A token bucket for each account and operation that has a rate. Thread-safe. As many buckets as accounts times rates.
class RateLimiter {
 public:
  RateLimiter(const Clock& clock, const AccountQuotas& quotas) : clock_(clock), quotas_(quotas) {}

  // Nothing: go on. Else the whole seconds after which a call will be taken, 1 at least; this one is not counted.
  std::optional<int> take(const std::string& account, std::string_view operation);

 private:
  struct Bucket {
    double tokens = 0;
    SteadyTime filled_at;
  };

  const Clock& clock_;
  const AccountQuotas& quotas_;

  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Bucket> buckets_;  // guarded by mutex_
};

}  // namespace dormouse::control
