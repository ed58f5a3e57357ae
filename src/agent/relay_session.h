// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/session.h"

namespace dormouse::agent {

// Connects to a port of the guest's loopback interface, answers, and then passes bytes both ways until both ends are done.
// The end of one direction ends only that one; a broken connection resets the other.
class RelaySession final : public Session {
 public:
  RelaySession(Loop& loop, std::unique_ptr<HostStream> host, std::uint16_t port);
  ~RelaySession() override;

  void begin();

  bool done() const override { return done_; }
  void abort() override { fail_both(); }
  void on_events(std::uint32_t events) override;

 private:
  enum class Stage { kConnecting, kRefusing, kPassing };

  struct End {
    UniqueFd socket;
    std::string pending;       // read from the other end, not yet written to this one
    bool read_ended = false;   // nothing more comes from this end
    bool write_ended = false;  // this end was told that nothing more comes
  };

  bool connect_to(bool version_6);  // false: refused at once
  void finish_connecting();
  void refuse(int errno_value);
  void start_passing();
  enum class Passed { kBlocked, kMore, kBroken };
  Passed pass(End& from, End& to);
  void fail_both();

  Loop& loop_;
  std::unique_ptr<HostStream> host_;  // until passing
  const std::uint16_t port_;
  Stage stage_ = Stage::kConnecting;
  bool version_6_ = false;
  bool done_ = false;
  End host_end_;
  End application_end_;
};

}  // namespace dormouse::agent
