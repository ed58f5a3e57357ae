// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>

namespace dormouse {

using SteadyTime = std::chrono::steady_clock::time_point;  // for deadlines and durations
using WallTime = std::chrono::system_clock::time_point;    // for records and what users see

// Where time comes from. A parameter of everything that decides by time, so that tests set it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady() const = 0;
  virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace dormouse
