// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/cgroup.h"
#include "agent/loop.h"
#include "agent/output_ring.h"
#include "agent/reaper.h"
#include "agent/refuse.h"
#include "agent/users.h"
#include "base/unique_fd.h"
#include "protocol/answers.h"
#include "protocol/requests.h"

namespace dormouse::agent {

// Told when the application wrote or ended.
class OutputListener {
 public:
  virtual ~OutputListener() = default;
  virtual void on_output() = 0;
};

// The guest's one application: a container of the image's layers, run by crun. It is started at most once; its main process
// is re-parented to the agent, which as PID 1 learns of its end.
//
//     none --start()--> starting --> running --> exited
//                          +------> failed
class Application final : public EventSink {
 public:
  // With `test_command`, start() runs it by /bin/sh instead of a container, and freezing is refused: for tests of the agent
  // in an ordinary process.
  Application(Loop& loop, Reaper& reaper, std::optional<std::string> test_command);
  ~Application() override;

  using Done = std::function<void(const Answered<void>&)>;
  // Calls `done` once: at once, or when the runtime has answered.
  void start(const protocol::StartApplication& request, Done done);

  Status freeze();  // when the application runs; kConflict otherwise
  Status thaw();
  Status set_hostname(const std::string& hostname) const;  // in its UTS namespace, /etc/hostname and /etc/hosts
  Status set_machine_id(const std::string& id) const;      // in its /etc/machine-id

  protocol::ApplicationState state() const { return state_; }
  bool frozen() const { return frozen_; }
  const OutputRing& output() const { return output_; }
  const std::optional<protocol::ApplicationExit>& exit() const { return exit_; }

  void listen(OutputListener& listener) { listeners_.push_back(&listener); }
  void stop_listening(OutputListener& listener) { std::erase(listeners_, &listener); }

  void drain_output();  // reads all that the application wrote so far
  void on_events(std::uint32_t events) override;

 private:
  Answered<void> prepare(const protocol::StartApplication& request);
  Answered<void> open_output(const UserIds& user);
  void run_runtime(const std::vector<std::string>& arguments, int output, std::function<void(bool)> then);
  void created(bool succeeded);
  void started(bool succeeded);
  void ended(const protocol::ExitStatus& status);
  void conclude(const Answered<void>& outcome);
  void run_test_command(const protocol::StartApplication& request);
  bool read_output();  // false when there is no more for now
  void tell_listeners();

  Loop& loop_;
  Reaper& reaper_;
  const std::optional<std::string> test_command_;
  const Cgroup cgroup_;

  protocol::ApplicationState state_ = protocol::ApplicationState::kNone;
  Done done_;
  pid_t pid_ = -1;
  bool frozen_ = false;
  OutputRing output_;
  UniqueFd output_read_;
  UniqueFd output_write_;  // until the application has it
  std::optional<protocol::ApplicationExit> exit_;
  std::vector<OutputListener*> listeners_;
};

}  // namespace dormouse::agent
