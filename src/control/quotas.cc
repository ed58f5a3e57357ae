// SPDX-License-Identifier: Apache-2.0

#include "control/quotas.h"

#include <algorithm>
#include <cmath>

namespace dormouse::control {

Quotas aws_quotas() {
  Quotas quotas;
  quotas.memory_mib = 400 * 1024;
  quotas.images = 100;
  quotas.versions_per_image = 50;
  quotas.concurrent_builds = 5;
  quotas.rates = {
      {"RunMicrovm", {5, 5}},
      {"ResumeMicrovm", {5, 5}},
      {"SuspendMicrovm", {2, 2}},
      {"TerminateMicrovm", {10, 10}},
      {"GetMicrovm", {100, 100}},
      {"CreateMicrovmAuthToken", {50, 50}},
      {"CreateMicrovmShellAuthToken", {5, 5}},
  };
  return quotas;
}

std::optional<int> RateLimiter::take(const std::string& account, std::string_view operation) {
  const auto rate = rates_.find(operation);
  if (rate == rates_.end()) {
    return std::nullopt;
  }
  const auto& [per_second, burst] = rate->second;
  const SteadyTime now = clock_.steady();
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = buckets_.try_emplace({account, rate->first}, Bucket{burst, now});
  Bucket& bucket = found->second;
  const double passed = std::chrono::duration<double>(now - bucket.filled_at).count();
  bucket.tokens = std::min(burst, bucket.tokens + passed * per_second);
  bucket.filled_at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  return std::max(1, static_cast<int>(std::ceil((1 - bucket.tokens) / per_second)));
}

}  // namespace dormouse::control
