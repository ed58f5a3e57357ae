// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "agent/host_stream.h"
#include "agent/loop.h"

namespace dormouse::agent {

// What one connection of the host's is about: a request being read, a relay, a process, a watch. Owned by the Server, which
// destroys it after the batch of events in which done() became true.
class Session : public EventSink {
 public:
  virtual bool done() const = 0;

  // The server closes all connections: the host's is to see a reset.
  virtual void abort() = 0;
};

// A session that speaks frames. Derived classes do their work in work(), which is called whenever anything may have changed
// and must work until nothing more can be done.
class FrameSession : public Session {
 public:
  // Takes over events of the connection.
  FrameSession(Loop& loop, std::unique_ptr<HostStream> host) : loop_(loop), host_(std::move(host)) {}
  ~FrameSession() override { leave(); }

  Status join() { return loop_.hand_over(host_->descriptor(), *this); }

  bool done() const override { return !host_ || host_->broken() || (finished_ && host_->idle()); }
  void abort() override {
    if (host_) {
      host_->discard();
    }
  }

  void on_events(std::uint32_t events) override {
    if (!host_ || done()) {
      return;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      host_->discard();  // the host never closes its direction alone
    }
    host_->flush();
    if (!finished_ && !host_->broken()) {
      work();
    }
  }

 protected:
  virtual void work() = 0;

  void answer(std::string_view payload) { host_->send(protocol::FrameType::kAnswer, payload); }
  void finish() { finished_ = true; }  // once the outbox is sent

  HostStream& host() { return *host_; }
  std::unique_ptr<HostStream> give_up_host() {
    loop_.forget(*this);
    return std::move(host_);
  }
  Loop& loop() { return loop_; }

 private:
  void leave() {
    loop_.forget(*this);
    if (host_) {
      loop_.remove(host_->descriptor());
    }
  }

  Loop& loop_;
  std::unique_ptr<HostStream> host_;
  bool finished_ = false;
};

}  // namespace dormouse::agent
