// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "control/quotas.h"

namespace dormouse::proxy {

// Why a request is not let through.
struct TooMuch {
  enum class What { kConnections, kRequests } what;
  int retry_after_seconds = 0;  // 0: nobody knows
};

// How many connections and requests each VM has at the endpoint, and whether one more is within its limits (specification
// section 6.2). A connection is its VM's from the first request that names it until it ends or names another VM.
//
// Holds an entry for each VM that has a connection, or had one within the second or so that its rate takes to recover. Not
// thread-safe.
class VmTraffic {
 public:
  explicit VmTraffic(std::size_t requests_under_way_max) : requests_under_way_max_(requests_under_way_max) {}

  // One client's. To be ended before the VmTraffic goes.
  class Connection {
   public:
    explicit Connection(VmTraffic& traffic) : traffic_(traffic) {}
    ~Connection() { end(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // One request at a time. Nothing: it is counted until end_request().
    std::optional<TooMuch> begin_request(const std::string& microvm_id,
                                         const control::EndpointLimits& limits,
                                         SteadyTime now);
    void end_request();
    void end();  // idempotent

   private:
    VmTraffic& traffic_;
    std::string microvm_id_;  // empty: no VM's
    bool asking_ = false;
  };

  std::size_t size() const { return vms_.size(); }

 private:
  struct Vm {
    std::size_t connections = 0;
    std::size_t requests = 0;  // under way
    TokenBucket bucket;
    std::optional<Rate> rate;  // that the bucket was asked with
  };

  void forget_idle(SteadyTime now);

  const std::size_t requests_under_way_max_;  // of one VM, whatever its limits
  std::map<std::string, Vm> vms_;
};

}  // namespace dormouse::proxy
