// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"
#include "control/microvms.h"
#include "control/quotas.h"
#include "os/context.h"

namespace dormouse::proxy {

// What the endpoint asks of the control layer; MicrovmsBackend answers with control::Microvms. Thread-safe. The endpoint calls
// it on worker threads alone.
class EndpointBackend {
 public:
  struct Target {
    std::string microvm_id;
    std::string account;
    std::string image{};               // its name
    control::EndpointLimits limits{};  // as they are now
  };

  virtual ~EndpointBackend() = default;

  // The VM that the first label of a host name stands for.
  virtual std::optional<Target> find_endpoint(std::string_view endpoint_id) = 0;

  // As control::Microvms::acquire and dial.
  virtual void acquire(const std::string& microvm_id,
                       std::function<void()> revoked,
                       control::LeaseHandler handler,
                       const tracing::Cause& cause) = 0;
  virtual Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) = 0;
};

}  // namespace dormouse::proxy
