// SPDX-License-Identifier: Apache-2.0

#include "control/quotas.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

namespace dormouse::control {

namespace {

constexpr std::string_view kRatePrefix = "rate:";
constexpr std::string_view kBurstPrefix = "burst:";
constexpr std::array<std::string_view, 4> kLargeRegions = {"us-east-1", "us-east-2", "us-west-2", "ap-northeast-1"};

// The quotas that are a number, by name.
template <typename Function>
void each_number(Function function) {
  function("memory-mib", &Quotas::memory_mib);
  function("images", &Quotas::images);
  function("versions-per-image", &Quotas::versions_per_image);
  function("concurrent-builds", &Quotas::concurrent_builds);
  function("connections-per-vcpu", &Quotas::connections_per_vcpu);
  function("requests-per-vcpu", &Quotas::requests_per_vcpu);
}

std::string named(std::string_view prefix, std::string_view operation) { return std::string(prefix).append(operation); }

// The rate of an operation when `settings` are put in the place of `standard`.
std::optional<Rate> with_settings(std::optional<Rate> standard,
                                  const QuotaSettings& settings,
                                  std::string_view operation) {
  if (const auto rate = settings.find(named(kRatePrefix, operation)); rate != settings.end()) {
    if (!rate->second) {
      return std::nullopt;
    }
    standard = Rate{static_cast<double>(*rate->second), static_cast<double>(*rate->second)};
  }
  const auto burst = settings.find(named(kBurstPrefix, operation));
  if (standard && burst != settings.end() && burst->second) {
    standard->burst = static_cast<double>(*burst->second);
  }
  return standard;
}

}  // namespace

Quotas aws_quotas(std::string_view region) {
  const bool large = std::find(kLargeRegions.begin(), kLargeRegions.end(), region) != kLargeRegions.end();
  Quotas quotas;
  quotas.memory_mib = (large ? 1024 : 400) * 1024;
  quotas.images = 100;
  quotas.versions_per_image = 50;
  quotas.concurrent_builds = large ? 10 : 5;
  quotas.connections_per_vcpu = 8;
  quotas.requests_per_vcpu = 10;
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

std::optional<std::string_view> operation_of_quota(std::string_view name) {
  for (const std::string_view prefix : {kRatePrefix, kBurstPrefix}) {
    if (name.starts_with(prefix)) {
      return name.substr(prefix.size());
    }
  }
  return std::nullopt;
}

std::optional<std::string> why_no_setting(std::string_view name, std::optional<std::uint64_t> value) {
  const auto operation = operation_of_quota(name);
  bool known = operation && !operation->empty();
  std::string names;
  each_number([&](std::string_view each, auto /*member*/) {
    known = known || name == each;
    names.append(each).append(", ");
  });
  if (!known) {
    return fmt::format("'{}' is no quota: there are {}rate:OPERATION and burst:OPERATION", name, names);
  }
  if (value == 0U && (operation || name == "requests-per-vcpu")) {
    return fmt::format("{}=0: {} is 1 at least", name, name.starts_with(kBurstPrefix) ? "a burst" : "a rate a second");
  }
  return std::nullopt;
}

Result<QuotaSettings> parse_quota(const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string name = text.substr(0, equals);
  const std::string value = text.substr(std::min(equals + 1, text.size()));
  const bool rate = name.starts_with(kRatePrefix);
  const std::size_t slash = rate ? std::min(value.find('/'), value.size()) : value.size();
  const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
    std::uint64_t parsed = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
    return error == std::errc() && end == digits.data() + digits.size() ? std::optional(parsed) : std::nullopt;
  };
  QuotaSettings settings;
  settings[name] = number(value.substr(0, slash));
  bool numbers = settings[name] || value == "none";
  if (slash < value.size()) {
    const auto burst = number(value.substr(slash + 1));
    numbers = numbers && burst;
    settings[named(kBurstPrefix, name.substr(kRatePrefix.size()))] = burst;
  }
  if (!numbers) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("'{}' is not NAME=NUMBER, NAME=none or rate:OPERATION=RATE/BURST; examples are images=5 and "
                    "rate:RunMicrovm=5/10",
                    text));
  }
  for (const auto& [each, set] : settings) {
    if (const auto reason = why_no_setting(each, set)) {
      return fail(ErrorKind::kInvalidArgument, *reason);
    }
  }
  return settings;
}

QuotaSettings settings_of(const Quotas& quotas) {
  QuotaSettings settings;
  each_number([&](std::string_view name, auto member) { settings.emplace(name, quotas.*member); });
  for (const auto& [operation, rate] : quotas.rates) {
    settings.emplace(named(kRatePrefix, operation), static_cast<std::uint64_t>(rate.per_second));
    if (rate.burst != rate.per_second) {
      settings.emplace(named(kBurstPrefix, operation), static_cast<std::uint64_t>(rate.burst));
    }
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
    const auto operation = operation_of_quota(name);
    if (!operation) {
      continue;
    }
    const auto standard = quotas.rates.find(*operation);
    const bool limited = standard != quotas.rates.end();
    if (const auto rate =
            with_settings(limited ? std::optional(standard->second) : std::nullopt, settings, *operation)) {
      quotas.rates.insert_or_assign(std::string(*operation), *rate);
    } else if (limited) {
      quotas.rates.erase(standard);
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
  const auto found = defaults_.rates.find(operation);
  const auto standard = found == defaults_.rates.end() ? std::nullopt : std::optional(found->second);
  const auto settings = settings_.find(account);
  return settings == settings_.end() ? standard : with_settings(standard, settings->second, operation);
}

EndpointLimits AccountQuotas::endpoint_limits(const std::string& account, unsigned vcpus) const {
  const std::lock_guard lock(mutex_);
  const auto settings = settings_.find(account);
  const auto in_force = [&](std::string_view name, std::optional<std::size_t> standard) {
    if (settings != settings_.end()) {
      const auto set = settings->second.find(name);
      return set == settings->second.end() ? standard : set->second;
    }
    return standard;
  };
  EndpointLimits limits;
  if (const auto connections = in_force("connections-per-vcpu", defaults_.connections_per_vcpu)) {
    limits.connections = *connections * vcpus;
  }
  if (const auto requests = in_force("requests-per-vcpu", defaults_.requests_per_vcpu)) {
    const double a_second = static_cast<double>(*requests) * vcpus;
    limits.requests = Rate{a_second, a_second};
  }
  return limits;
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
  const std::lock_guard lock(mutex_);
  return buckets_[{account, std::string(operation)}].take(*rate, clock_.steady());
}

}  // namespace dormouse::control
