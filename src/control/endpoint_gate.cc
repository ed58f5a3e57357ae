// SPDX-License-Identifier: Apache-2.0

#include "control/endpoint_gate.h"

#include <utility>

namespace dormouse::control {

class EndpointGate::GateLease final : public Lease {
 public:
  GateLease(std::shared_ptr<EndpointGate> gate, std::size_t number, Origin origin)
      : gate_(std::move(gate)), number_(number), origin_(std::move(origin)) {}
  ~GateLease() override { gate_->give_back(number_); }
  GateLease(const GateLease&) = delete;
  GateLease& operator=(const GateLease&) = delete;

  void activity() override { gate_->touch(); }
  Origin origin() const override { return origin_; }

 private:
  const std::shared_ptr<EndpointGate> gate_;
  const std::size_t number_;
  const Origin origin_;
};

std::shared_ptr<EndpointGate> EndpointGate::create(Clock& clock, std::function<void()> drained) {
  return std::shared_ptr<EndpointGate>(new EndpointGate(clock, std::move(drained)));
}

EndpointGate::EndpointGate(Clock& clock, std::function<void()> drained)
    : clock_(clock), drained_(std::move(drained)), last_activity_(clock.steady().time_since_epoch().count()) {}

std::shared_ptr<Lease> EndpointGate::add_lease(std::function<void()> revoked, bool waited) {
  const std::size_t number = ++last_number_;
  auto lease =
      std::make_shared<GateLease>(shared_from_this(), number, Lease::Origin{std::exchange(opened_by_, {}), waited});
  revokers_.emplace(number, std::move(revoked));
  touch();
  return lease;
}

bool EndpointGate::acquire(std::function<void()> revoked, LeaseHandler handler, const tracing::Cause& cause) {
  std::shared_ptr<Lease> lease;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) {
      held_.push_back({std::move(revoked), std::move(handler), cause});
      return false;
    }
    lease = add_lease(std::move(revoked), false);
  }
  handler(std::move(lease));
  return true;
}

void EndpointGate::open(tracing::Trace trace) {
  std::vector<std::pair<LeaseHandler, std::shared_ptr<Lease>>> served;
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_by_ = std::move(trace);
    touch();
    for (Held& held : held_) {
      auto lease = add_lease(std::move(held.revoked), true);
      served.emplace_back(std::move(held.handler), std::move(lease));
    }
    held_.clear();
  }
  for (auto& [handler, lease] : served) {
    handler(std::move(lease));
  }
}

void EndpointGate::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
}

bool EndpointGate::close_if_idle(SteadyTime::duration idle_time) {
  const std::lock_guard lock(mutex_);
  if (idle_for() < idle_time) {
    return false;
  }
  open_ = false;
  return true;
}

bool EndpointGate::close_if_unused() {
  const std::lock_guard lock(mutex_);
  if (!revokers_.empty() || !held_.empty()) {
    return false;
  }
  open_ = false;
  return true;
}

void EndpointGate::refuse(EndpointRefusal refusal) {
  std::vector<Held> refused;
  {
    const std::lock_guard lock(mutex_);
    refused.swap(held_);
  }
  for (const Held& held : refused) {
    held.handler(tl::unexpected(refusal));
  }
}

void EndpointGate::revoke() {
  std::vector<std::function<void()>> revokers;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [number, revoker] : revokers_) {
      if (auto called_once = std::exchange(revoker, nullptr)) {
        revokers.push_back(std::move(called_once));
      }
    }
  }
  for (const auto& revoker : revokers) {
    revoker();
  }
}

std::size_t EndpointGate::leases() const {
  const std::lock_guard lock(mutex_);
  return revokers_.size();
}

std::size_t EndpointGate::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

tracing::Cause EndpointGate::first_cause() const {
  const std::lock_guard lock(mutex_);
  return held_.empty() ? tracing::Cause() : held_.front().cause;
}

SteadyTime::duration EndpointGate::idle_for() const {
  const SteadyTime last{SteadyTime::duration(last_activity_.load(std::memory_order_relaxed))};
  return clock_.steady() - last;
}

void EndpointGate::give_back(std::size_t number) {
  bool drained = false;
  std::function<void()> revoker;  // destroyed outside of the lock: it may hold whatever its owner put there
  {
    const std::lock_guard lock(mutex_);
    const auto found = revokers_.find(number);
    revoker = std::move(found->second);
    revokers_.erase(found);
    drained = !open_ && revokers_.empty();
    touch();
  }
  if (drained) {
    drained_();
  }
}

void EndpointGate::touch() {
  last_activity_.store(clock_.steady().time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace dormouse::control
