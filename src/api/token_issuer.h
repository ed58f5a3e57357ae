// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace dormouse::api {

// Guest ports from `first` to `last`, both included. All ports: 1 to 65535.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

// Makes the tokens of the endpoint (specification section 7.3). Thread-safe.
class TokenIssuer {
 public:
  virtual ~TokenIssuer() = default;
  // The compact JWE that goes into X-aws-proxy-auth.
  virtual std::string issue(const std::string& microvm_id,
                            const std::string& account,
                            const std::vector<PortRange>& ports,
                            WallTime expiry) = 0;
  // The same for shell access (specification section 8): it names no ports.
  virtual std::string issue_shell(const std::string& microvm_id, const std::string& account, WallTime expiry) = 0;
};

}  // namespace dormouse::api
