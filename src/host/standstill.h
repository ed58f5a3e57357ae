// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "host/guest.h"
#include "os/context.h"
#include "os/process_activity.h"

namespace dormouse::host {

// Tells by what a guest's process did in the last moments whether the guest still does anything. No I/O, no clock of its own.
class StandstillJudge {
 public:
  struct Sample {
    SteadyTime at;
    os::ProcessActivity activity;
    std::uint64_t output_bytes = 0;  // that the guest has sent so far
  };

  explicit StandstillJudge(std::chrono::milliseconds patience) : patience_(patience) {}

  // True once nothing has happened for `patience`, and again when as much has passed without anything.
  bool still(const Sample& sample);

 private:
  bool moved(const Sample& sample) const;

  const std::chrono::milliseconds patience_;
  std::optional<Sample> last_;
  SteadyTime moved_at_;
};

// Ends what a builder guest is waited for when the guest stands still: when its vCPUs hardly run, nothing goes over its
// network and nothing comes out of it, and yet no instruction of the user's own waits for something; or when its agent does
// not answer. A guest that is kept waiting by a busy or slow host is none that stands still.
//
// One thread of its own, for as long as it lives; the guest and the outer context outlive it.
class StandstillGuard {
 public:
  // A quarter of what the build may take, two minutes at most.
  static std::chrono::milliseconds patience_of(std::chrono::milliseconds build_timeout);

  StandstillGuard(Guest& guest, const os::Context& outer, std::chrono::milliseconds patience);
  ~StandstillGuard();
  StandstillGuard(const StandstillGuard&) = delete;
  StandstillGuard& operator=(const StandstillGuard&) = delete;

  // The outer one, which also ends when the guest stands still.
  os::Context context() const { return os::Context(inner_, outer_.deadline()).traced(outer_.trace()); }
  void heard(std::size_t bytes) { output_bytes_ += bytes; }
  bool stood_still() const { return stood_still_; }

  // Why the guest was given up, and in what state it was. To be asked once context() has ended.
  const std::string& reason() const { return reason_; }
  const std::string& state() const { return state_; }

 private:
  void watch();
  bool pause() const;  // false when watching is over
  void ask_for_life();
  void examine();

  Guest& guest_;
  const os::Context& outer_;
  const std::chrono::milliseconds patience_;
  const os::Cancellation inner_;
  const os::Cancellation done_;
  std::atomic<std::uint64_t> output_bytes_ = 0;
  std::atomic<bool> stood_still_ = false;
  SteadyTime answered_at_;
  std::string reason_;
  std::string state_;
  std::thread thread_;
};

// What can be told of a guest that does not get on: its process's threads, what QEMU and the guest say of themselves, as far
// as they answer. Some pages of text; takes some seconds, half a minute of a guest that does not answer.
std::string state_of(Guest& guest);

}  // namespace dormouse::host
