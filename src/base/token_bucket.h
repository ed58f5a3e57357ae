// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/clock.h"

namespace dormouse {

struct Rate {
  double per_second = 0;  // more than 0
  double burst = 1;       // calls at once, 1 at least
};

// Holds calls to a rate; full in the beginning. The rate may be another one at each call. Not thread-safe.
class TokenBucket {
 public:
  // Nothing: go on. Else the whole seconds after which a call will be taken, 1 at least; this one is not counted.
  std::optional<int> take(const Rate& rate, SteadyTime now) {
    tokens_ = available(rate, now);
    filled_at_ = now;
    if (*tokens_ >= 1) {
      *tokens_ -= 1;
      return std::nullopt;
    }
    return std::max(1, static_cast<int>(std::ceil((1 - *tokens_) / rate.per_second)));
  }

  // As a new one is: it may be forgotten.
  bool is_full(const Rate& rate, SteadyTime now) const { return available(rate, now) >= rate.burst; }

 private:
  double available(const Rate& rate, SteadyTime now) const {
    const double passed = std::chrono::duration<double>(now - filled_at_).count();
    return tokens_ ? std::min(rate.burst, *tokens_ + passed * rate.per_second) : rate.burst;
  }

  std::optional<double> tokens_;  // at filled_at_; none: never asked
  SteadyTime filled_at_;
};

}  // namespace dormouse
