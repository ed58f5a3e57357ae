// SPDX-License-Identifier: Apache-2.0

#include "proxy/vm_traffic.h"

namespace dormouse::proxy {

std::optional<TooMuch> VmTraffic::Connection::begin_request(const std::string& microvm_id,
                                                            const control::EndpointLimits& limits,
                                                            SteadyTime now) {
  if (microvm_id_ != microvm_id) {
    end();
    if (!traffic_.vms_.contains(microvm_id)) {
      traffic_.forget_idle(now);
    }
    Vm& vm = traffic_.vms_[microvm_id];
    if (limits.connections && vm.connections >= *limits.connections) {
      return TooMuch{TooMuch::What::kConnections};
    }
    ++vm.connections;
    microvm_id_ = microvm_id;
  }
  Vm& vm = traffic_.vms_.at(microvm_id_);
  if (vm.requests >= traffic_.requests_under_way_max_) {
    return TooMuch{TooMuch::What::kRequests};
  }
  vm.rate = limits.requests;
  if (vm.rate) {
    if (const auto seconds = vm.bucket.take(*vm.rate, now)) {
      return TooMuch{TooMuch::What::kRequests, *seconds};
    }
  }
  ++vm.requests;
  asking_ = true;
  return std::nullopt;
}

void VmTraffic::Connection::end_request() {
  if (asking_) {
    --traffic_.vms_.at(microvm_id_).requests;
    asking_ = false;
  }
}

void VmTraffic::Connection::end() {
  if (microvm_id_.empty()) {
    return;
  }
  end_request();
  const auto vm = traffic_.vms_.find(microvm_id_);
  microvm_id_.clear();
  if (--vm->second.connections == 0 && !vm->second.rate) {
    traffic_.vms_.erase(vm);
  }
}

// Without connections an entry says only how soon the next request may come.
void VmTraffic::forget_idle(SteadyTime now) {
  std::erase_if(vms_, [&](const auto& entry) {
    const Vm& vm = entry.second;
    return vm.connections == 0 && (!vm.rate || vm.bucket.is_full(*vm.rate, now));
  });
}

}  // namespace dormouse::proxy
