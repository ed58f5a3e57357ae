// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>

#include "agent/loop.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "protocol/answers.h"

namespace dormouse::agent {

// Collects every child that ends, ours and those that were re-parented to us as PID 1, and tells who asked for it.
class Reaper final : public EventSink {
 public:
  using Handler = std::function<void(const protocol::ExitStatus&)>;

  static Result<std::unique_ptr<Reaper>> create(Loop& loop);  // blocks SIGCHLD and takes it by signalfd(2)

  // Calls `handler` once, when `pid` has ended: at once if it ended while the reaper remembered (see remember()).
  void expect(pid_t pid, Handler handler);
  void forget(pid_t pid) { handlers_.erase(pid); }

  // While on, the ends of processes that nobody expects yet are kept: for a child of a child whose pid is told later.
  void remember(bool on);

  void on_events(std::uint32_t events) override;

 private:
  explicit Reaper(UniqueFd signals) : signals_(std::move(signals)) {}

  UniqueFd signals_;
  std::map<pid_t, Handler> handlers_;
  std::map<pid_t, protocol::ExitStatus> unclaimed_;
  bool remember_ = false;
};

}  // namespace dormouse::agent
