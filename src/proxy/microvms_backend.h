// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "control/identifiers.h"
#include "control/microvms.h"
#include "control/quotas.h"
#include "control/sizes.h"
#include "proxy/endpoint_backend.h"

namespace dormouse::proxy {

// The endpoint's view of control::Microvms. Header only: a static library of proxy/ does not need control's code.
class MicrovmsBackend final : public EndpointBackend {
 public:
  MicrovmsBackend(control::Microvms& microvms, const control::AccountQuotas& quotas)
      : microvms_(microvms), quotas_(quotas) {}

  std::optional<Target> find_endpoint(std::string_view endpoint_id) override {
    const auto microvm = microvms_.find_endpoint(endpoint_id);
    if (!microvm) {
      return std::nullopt;
    }
    const auto size = control::peak_size(microvm->memory_mib);
    return Target{microvm->microvm_id,
                  microvm->account,
                  control::image_name_of(microvm->image_arn),
                  quotas_.endpoint_limits(microvm->account, size ? size->vcpus : 1)};
  }
  void acquire(const std::string& microvm_id,
               std::function<void()> revoked,
               control::LeaseHandler handler,
               const tracing::Cause& cause) override {
    microvms_.acquire(microvm_id, std::move(revoked), std::move(handler), cause);
  }
  Result<UniqueFd> dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) override {
    return microvms_.dial(microvm_id, port, context);
  }

 private:
  control::Microvms& microvms_;
  const control::AccountQuotas& quotas_;
};

}  // namespace dormouse::proxy
