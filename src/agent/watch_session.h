// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>

#include "agent/application.h"
#include "agent/session.h"

namespace dormouse::agent {

// Sends the application's output from an offset on, and at last how it ended.
class WatchSession final : public FrameSession, public OutputListener {
 public:
  WatchSession(Loop& loop, std::unique_ptr<HostStream> host, Application& application, std::uint64_t from);
  ~WatchSession() override;

  void begin();  // answers and sends what there is
  void on_output() override { on_events(0); }

 private:
  void work() override;

  Application& application_;
  std::uint64_t offset_;
};

}  // namespace dormouse::agent
