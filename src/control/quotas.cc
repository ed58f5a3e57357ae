// SPDX-License-Identifier: Apache-2.0

#include "control/quotas.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

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

namespace {

constexpr std::string_view kRatePrefix = "rate:";

// The quotas that are a number, by name.
template <typename Function>
void each_number(Function function) {
  function("memory-mib", &Quotas::memory_mib);
  function("images", &Quotas::images);
  function("versions-per-image", &Quotas::versions_per_image);
  function("concurrent-builds", &Quotas::concurrent_builds);
}

}  // namespace

bool is_quota(std::string_view name) {
  bool known = name.size() > kRatePrefix.size() && name.starts_with(kRatePrefix);
  each_number([&](std::string_view each, auto /*member*/) { known = known || name == each; });
  return known;
}

QuotaSettings settings_of(const Quotas& quotas) {
  QuotaSettings settings;
  each_number([&](std::string_view name, auto member) { settings.emplace(name, quotas.*member); });
  for (const auto& [operation, rate] : quotas.rates) {
    settings.emplace(std::string(kRatePrefix) + operation, static_cast<std::uint64_t>(rate.per_second));
  }
  return settings;
}

Quotas with_settings(Quotas quotas, const QuotaSettings& settings) {
  each_number([&](std::string_view name, auto member) {
    if (const auto found = settings.find(name); found != settings.end()) {
      quotas.*member = found->second;
    }
  });
  for (const auto& [name, value] : settings) {
    if (!name.starts_with(kRatePrefix)) {
      continue;
    }
    const std::string operation = name.substr(kRatePrefix.size());
    if (value) {
      const auto rate = static_cast<double>(*value);
      quotas.rates.insert_or_assign(operation, Rate{rate, rate});
    } else {
      quotas.rates.erase(operation);
    }
  }
  return quotas;
}

Quotas AccountQuotas::of(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  const auto found = settings_.find(account);
  return found == settings_.end() ? defaults_ : with_settings(defaults_, found->second);
}

std::optional<Rate> AccountQuotas::rate(const std::string& account, std::string_view operation) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = settings_.find(account); found != settings_.end()) {
    const auto set = found->second.find(std::string(kRatePrefix).append(operation));
    if (set != found->second.end()) {
      const auto rate = static_cast<double>(set->second.value_or(0));
      return set->second ? std::optional(Rate{rate, rate}) : std::nullopt;
    }
  }
  const auto standard = defaults_.rates.find(operation);
  return standard == defaults_.rates.end() ? std::nullopt : std::optional(standard->second);
}

void AccountQuotas::set_defaults(Quotas quotas) {
  const std::lock_guard lock(mutex_);
  defaults_ = std::move(quotas);
}

void AccountQuotas::set(const std::string& account, QuotaSettings settings) {
  const std::lock_guard lock(mutex_);
  if (settings.empty()) {
    settings_.erase(account);
  } else {
    settings_.insert_or_assign(account, std::move(settings));
  }
}

std::string how_to_raise(const std::string& account, std::string_view quota) {
  return fmt::format(
      "Whoever runs this Dormouse can raise it: dormouse account quota set {} {}=NUMBER", account, quota);
}

std::optional<int> RateLimiter::take(const std::string& account, std::string_view operation) {
  const std::optional<Rate> rate = quotas_.rate(account, operation);
  if (!rate) {
    return std::nullopt;
  }
  const auto& [per_second, burst] = *rate;
  const SteadyTime now = clock_.steady();
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = buckets_.try_emplace({account, std::string(operation)}, Bucket{burst, now});
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
