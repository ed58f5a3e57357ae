// SPDX-License-Identifier: Apache-2.0

#include "host/kept_processes.h"

#include <algorithm>
#include <utility>

namespace dormouse::host {

KeptProcesses::KeptProcesses(const Limits& limits, ProcessCare care, const Clock& clock)
    : limits_(limits), care_(std::move(care)), clock_(clock) {}

KeptProcesses::~KeptProcesses() { end(kept_); }

bool KeptProcesses::keep(const std::string& microvm_id, std::shared_ptr<Guest> guest) {
  const std::uint64_t bytes = limits_.time.count() > 0 ? care_.bytes(*guest) : 0;
  if (limits_.time.count() == 0 || bytes > limits_.bytes || care_.memory_is_short()) {
    return false;
  }
  std::deque<Kept> displaced;
  {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = clock_.steady();
    if (now < paused_until_) {
      return false;
    }
    displaced =
        remove_while([&](const Kept&) { return kept_.size() >= limits_.count || bytes_ + bytes > limits_.bytes; });
    kept_.push_back({microvm_id, std::move(guest), bytes, now + limits_.time});
    bytes_ += bytes;
  }
  end(displaced);
  return true;
}

std::shared_ptr<Guest> KeptProcesses::remove(const std::string& microvm_id) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.microvm_id == microvm_id; });
  if (found == kept_.end()) {
    return nullptr;
  }
  std::shared_ptr<Guest> guest = std::move(found->guest);
  bytes_ -= found->bytes;
  kept_.erase(found);
  return guest;
}

std::shared_ptr<Guest> KeptProcesses::take(const std::string& microvm_id) {
  std::shared_ptr<Guest> guest = remove(microvm_id);
  if (!guest) {
    return nullptr;
  }
  if (!care_.lives(*guest)) {
    care_.end(*guest);
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  ++hits_;
  return guest;
}

void KeptProcesses::drop(const std::string& microvm_id) {
  if (const std::shared_ptr<Guest> guest = remove(microvm_id)) {
    care_.end(*guest);
  }
}

std::deque<KeptProcesses::Kept> KeptProcesses::remove_while(const std::function<bool(const Kept& oldest)>& wanted) {
  std::deque<Kept> out;
  while (!kept_.empty() && wanted(kept_.front())) {
    bytes_ -= kept_.front().bytes;
    out.push_back(std::move(kept_.front()));
    kept_.pop_front();
  }
  return out;
}

void KeptProcesses::end(const std::deque<Kept>& processes) const {
  for (const Kept& kept : processes) {
    care_.end(*kept.guest);
  }
}

std::uint64_t KeptProcesses::release(std::uint64_t bytes) {
  std::deque<Kept> out;
  std::uint64_t released = 0;
  {
    const std::lock_guard lock(mutex_);
    paused_until_ = clock_.steady() + kPause;
    out = remove_while([&](const Kept& oldest) {
      const bool wanted = released < bytes;
      released += wanted ? oldest.bytes : 0;
      return wanted;
    });
  }
  end(out);
  return released;
}

void KeptProcesses::review() {
  if (figures().count == 0) {
    return;
  }
  const bool short_of_memory = care_.memory_is_short();
  std::deque<Kept> out;
  {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = clock_.steady();
    out = remove_while([&](const Kept& oldest) { return short_of_memory || oldest.until <= now; });
  }
  end(out);
}

KeptProcesses::Figures KeptProcesses::figures() const {
  const std::lock_guard lock(mutex_);
  return {kept_.size(), bytes_, hits_};
}

}  // namespace dormouse::host
