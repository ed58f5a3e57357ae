// SPDX-License-Identifier: Apache-2.0

#include "agent/request_session.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <utility>
#include <variant>

#include "agent/boot.h"
#include "agent/exec_session.h"
#include "agent/relay_session.h"
#include "agent/server.h"
#include "agent/watch_session.h"

namespace dormouse::agent {
namespace {

// Waits a moment until the host has everything that was sent.
void wait_until_sent(int connection) {
  for (int i = 0; i < 100; ++i) {
    int unsent = 0;
    if (::ioctl(connection, SIOCOUTQ, &unsent) != 0 || unsent == 0) {
      return;
    }
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace

RequestSession::RequestSession(Server& server, std::unique_ptr<HostStream> host)
    : FrameSession(server.loop(), std::move(host)), server_(server) {}

void RequestSession::work() {
  if (serving_) {
    return;
  }
  auto frame = host().next_frame();
  if (frame && !*frame) {
    return;
  }
  serving_ = true;
  if (!frame) {
    refuse_with({frame.error().kind(), "not_understood", frame.error().message()});
    return;
  }
  if ((*frame)->type != protocol::FrameType::kRequest) {
    refuse_with({ErrorKind::kInvalidArgument, "not_understood", "the first frame is not a request"});
    return;
  }
  const auto request = protocol::decode_request((*frame)->payload);
  if (!request) {
    refuse_with({request.error().kind(), "not_understood", request.error().message()});
    return;
  }
  std::visit([this](const auto& which) { serve_one(which); }, *request);
}

void RequestSession::refuse_with(const protocol::Refusal& refusal) {
  host().send(protocol::FrameType::kRefusal, protocol::encode(refusal));
  finish();
}

void RequestSession::serve_one(const protocol::Hello&) {
  answer(protocol::encode(server_.hello()));
  finish();
}

void RequestSession::serve_one(const protocol::StartApplication& request) {
  server_.application().start(request, [this, alive = std::weak_ptr(alive_)](const Answered<void>& outcome) {
    if (alive.expired()) {
      return;  // the host went away meanwhile
    }
    if (!outcome) {
      refuse_with(outcome.error());
      return;
    }
    answer(protocol::encode_empty_answer());
    finish();
  });
}

void RequestSession::serve_one(const protocol::Watch& request) {
  if (request.from > server_.application().output().end()) {
    refuse_with({ErrorKind::kInvalidArgument,
                 "not_written",
                 "watch from offset " + std::to_string(request.from) + ", the application has written " +
                     std::to_string(server_.application().output().end()) + " bytes"});
    return;
  }
  auto session = std::make_unique<WatchSession>(loop(), give_up_host(), server_.application(), request.from);
  if (session->join()) {
    session->begin();
    server_.adopt(std::move(session));
  }
}

void RequestSession::serve_one(const protocol::Freeze& request) {
  const auto frozen = server_.freeze(request, *this);
  if (!frozen) {
    refuse_with(frozen.error());
    return;
  }
  answer(protocol::encode(*frozen));
  finish();
}

void RequestSession::serve_one(const protocol::Restored& request) {
  const auto restored = server_.restored(request, host().descriptor());
  if (!restored) {
    refuse_with(restored.error());
    return;
  }
  answer(protocol::encode(*restored));
  finish();
}

void RequestSession::serve_one(const protocol::Thaw& request) {
  if (const auto thawed = server_.thaw(request); !thawed) {
    refuse_with(thawed.error());
    return;
  }
  answer(protocol::encode_empty_answer());
  finish();
}

void RequestSession::serve_one(const protocol::Connect& request) {
  auto session = std::make_unique<RelaySession>(loop(), give_up_host(), request.port);
  session->begin();
  server_.adopt(std::move(session));
}

void RequestSession::serve_one(const protocol::Exec& request) {
  auto session = std::make_unique<ExecSession>(loop(), give_up_host(), server_.reaper());
  if (session->join()) {
    session->begin(request);
    server_.adopt(std::move(session));
  }
}

void RequestSession::serve_one(const protocol::Shutdown&) {
  if (!server_.options().machine) {
    refuse_with({ErrorKind::kConflict, "not_a_machine", "this agent runs in an ordinary process"});
    return;
  }
  if (const auto settled = settle_disks(); !settled) {
    refuse_with({settled.error().kind(), "disks_not_settled", settled.error().message()});
    return;
  }
  answer(protocol::encode_empty_answer());
  wait_until_sent(host().descriptor());
  power_off();
}

}  // namespace dormouse::agent
