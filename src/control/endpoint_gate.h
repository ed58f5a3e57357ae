// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "control/microvms.h"

namespace dormouse::control {

// Where requests to one VM pass: open while the VM is RUNNING, else they are held.
//
// Invariants: a lease is given only while the gate is open; after close() the number of leases only falls; every handler
// that was given to acquire() is called exactly once, by acquire(), open() or refuse().
//
// Thread-safe, never blocks, calls nothing of others under its lock. Leases keep the gate alive.
class EndpointGate : public std::enable_shared_from_this<EndpointGate> {
 public:
  // `drained` is called, from any thread, each time the last lease of a closed gate was given back.
  static std::shared_ptr<EndpointGate> create(Clock& clock, std::function<void()> drained);

  // True: the request was served at once. False: it is held, and somebody should see to the VM.
  bool acquire(std::function<void()> revoked, LeaseHandler handler, const tracing::Cause& cause = {});

  // Serves all that are held. The first lease from now on has its origin in `trace`.
  void open(tracing::Trace trace = {});
  // From now on requests are held. Leases go on.
  void close();
  // The same, unless bytes went through within `idle_time`: then it stays open, and false.
  bool close_if_idle(SteadyTime::duration idle_time);
  // The same, unless a lease is out or a request is held.
  bool close_if_unused();
  void refuse(EndpointRefusal refusal);  // answers all that are held
  void revoke();                         // tells the holders of the leases to let go, each once

  std::size_t leases() const;
  std::size_t held() const;
  tracing::Cause first_cause() const;  // of the request that is held longest; empty: none is
  SteadyTime::duration idle_for() const;

 private:
  class GateLease;
  struct Held {
    std::function<void()> revoked;
    LeaseHandler handler;
    tracing::Cause cause;
  };

  EndpointGate(Clock& clock, std::function<void()> drained);
  std::shared_ptr<Lease> add_lease(std::function<void()> revoked, bool waited);  // under mutex_
  void give_back(std::size_t number);
  void touch();

  Clock& clock_;
  const std::function<void()> drained_;
  std::atomic<SteadyTime::rep> last_activity_;  // bytes went through, or a lease came or went

  mutable std::mutex mutex_;
  bool open_ = false;                                                // guarded by mutex_, as is everything below
  std::unordered_map<std::size_t, std::function<void()>> revokers_;  // one a lease; empty once called
  std::size_t last_number_ = 0;
  std::vector<Held> held_;
  tracing::Trace opened_by_;  // until the first lease takes it
};

}  // namespace dormouse::control
