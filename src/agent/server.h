// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agent/application.h"
#include "agent/loop.h"
#include "agent/reaper.h"
#include "agent/session.h"
#include "base/unique_fd.h"
#include "protocol/requests.h"

namespace dormouse::agent {

// Accepts the host's connections, reads the one request of each and serves it. Owns all sessions.
class Server final : public EventSink {
 public:
  struct Options {
    protocol::Role role = protocol::Role::kApplication;
    bool machine = true;  // PID 1 of a guest: may power off, and accepts the gateway alone
  };

  Server(Loop& loop, Reaper& reaper, Application& application, Options options)
      : loop_(loop), reaper_(reaper), application_(application), options_(options) {}
  ~Server() override;

  Status serve(UniqueFd listener);
  void on_events(std::uint32_t events) override;  // of the listener

  // The operations that do not outlive their answer. For RequestSession.
  protocol::HelloAnswer hello() const;
  Answered<protocol::FreezeAnswer> freeze(const protocol::Freeze& request, const Session& asking);
  Answered<protocol::RestoredAnswer> restored(const protocol::Restored& request, int connection);
  Answered<void> thaw(const protocol::Thaw& request);

  Loop& loop() { return loop_; }
  Reaper& reaper() { return reaper_; }
  Application& application() { return application_; }
  const Options& options() const { return options_; }
  void adopt(std::unique_ptr<Session> session) { sessions_.push_back(std::move(session)); }

 private:
  void welcome(UniqueFd connection);
  void sweep();  // destroys sessions that are done

  Loop& loop_;
  Reaper& reaper_;
  Application& application_;
  const Options options_;
  UniqueFd listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace dormouse::agent
