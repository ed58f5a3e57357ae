// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "agent/process.h"
#include "agent/reaper.h"
#include "agent/session.h"
#include "protocol/requests.h"

namespace dormouse::agent {

// A process of the host's, outside of any container. Its process group is killed when the host goes away, at its timeout
// and when its leader has ended.
class ExecSession final : public FrameSession, public TimerSink {
 public:
  ExecSession(Loop& loop, std::unique_ptr<HostStream> host, Reaper& reaper);
  ~ExecSession() override;

  void begin(const protocol::Exec& request);  // answers
  void on_timer() override;

 private:
  // One end of a pipe to or from the process.
  struct Port final : EventSink {
    explicit Port(ExecSession& owner) : session(owner) {}
    void on_events(std::uint32_t) override { session.on_events(0); }
    ExecSession& session;
    UniqueFd descriptor;
  };

  Answered<pid_t> start(const protocol::Exec& request);
  void work() override;
  void pass_output(Port& port, protocol::FrameType type);
  void pass_input();
  void take_frames();
  void close(Port& port);
  void kill_group();

  Reaper& reaper_;
  Port input_{*this};
  Port output_{*this};
  Port error_{*this};
  pid_t pid_ = -1;
  std::string pending_input_;
  bool input_ended_ = false;
  bool timed_out_ = false;
  bool more_output_ = false;  // a turn ended before a pipe was empty
  std::optional<protocol::ExitStatus> status_;
  // The exit frame is sent. The host closes then: were the agent to close while input of the host's is unread, the reset
  // could overtake the frame.
  bool told_exit_ = false;
};

}  // namespace dormouse::agent
