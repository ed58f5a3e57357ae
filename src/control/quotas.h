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
#include "base/error.h"
#include "base/token_bucket.h"

namespace dormouse::control {

// What one account may have and do (specification section 12). Nothing: the host alone is the bound.
struct Quotas {
  std::optional<std::uint64_t> memory_mib;  // the sizes asked for, of all VMs that are not TERMINATED
  std::optional<std::size_t> images;
  std::optional<std::size_t> versions_per_image;
  std::optional<std::size_t> concurrent_builds;
  std::optional<std::size_t> connections_per_vcpu;  // of clients to one VM's endpoint, for each vCPU of its peak
  std::optional<std::size_t> requests_per_vcpu;     // a second at one VM's endpoint, likewise
  std::map<std::string, Rate, std::less<>> rates;   // by operation
};

// The service's defaults, which are larger in four of its Regions.
Quotas aws_quotas(std::string_view region);

// What is set in place of the defaults, by the quota's name: "memory-mib", "images", "versions-per-image",
// "concurrent-builds", "connections-per-vcpu", "requests-per-vcpu", or "rate:" and an operation (calls a second), with
// "burst:" and the same operation (calls at once; as many as the rate, if left out). Nothing as a value: the host alone is
// the bound.
using QuotaSettings = std::map<std::string, std::optional<std::uint64_t>, std::less<>>;
QuotaSettings settings_of(const Quotas& quotas);
Quotas with_settings(Quotas quotas, const QuotaSettings& settings);

// Why this cannot be set; nothing: it can. An operation is not looked at.
std::optional<std::string> why_no_setting(std::string_view name, std::optional<std::uint64_t> value);
// The operation of "rate:" or "burst:"; nothing for other quotas.
std::optional<std::string_view> operation_of_quota(std::string_view name);
// "images=5", "images=none", "rate:RunMicrovm=5", "rate:RunMicrovm=5/10" (a second, at once). kInvalidArgument.
Result<QuotaSettings> parse_quota(const std::string& text);

// What the clients of one VM may do at its endpoint (specification section 6.2).
struct EndpointLimits {
  std::optional<std::size_t> connections;
  std::optional<Rate> requests;
};

// The quotas of every account: defaults, and what was set for one. Thread-safe.
class AccountQuotas {
 public:
  Quotas of(const std::string& account) const;
  std::optional<Rate> rate(const std::string& account, std::string_view operation) const;
  EndpointLimits endpoint_limits(const std::string& account, unsigned vcpus) const;

  void set_defaults(Quotas quotas);
  void set(const std::string& account, QuotaSettings settings);  // empty: the defaults hold again

 private:
  mutable std::mutex mutex_;
  Quotas defaults_;                                // guarded by mutex_
  std::map<std::string, QuotaSettings> settings_;  // guarded by mutex_; by account, none of them empty
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
  const Clock& clock_;
  const AccountQuotas& quotas_;

  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, TokenBucket> buckets_;  // guarded by mutex_
};

}  // namespace dormouse::control
