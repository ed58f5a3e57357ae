// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "agent/refuse.h"
#include "agent/session.h"
#include "protocol/requests.h"

namespace dormouse::agent {

class Server;

// A connection whose request is being read; then answers it, or makes room for the session that will.
class RequestSession final : public FrameSession {
 public:
  RequestSession(Server& server, std::unique_ptr<HostStream> host);

 private:
  void work() override;
  void refuse_with(const protocol::Refusal& refusal);

  void serve_one(const protocol::Hello& request);
  void serve_one(const protocol::StartApplication& request);
  void serve_one(const protocol::Watch& request);
  void serve_one(const protocol::Freeze& request);
  void serve_one(const protocol::Restored& request);
  void serve_one(const protocol::Thaw& request);
  void serve_one(const protocol::Connect& request);
  void serve_one(const protocol::Exec& request);
  void serve_one(const protocol::Shutdown& request);

  Server& server_;
  bool serving_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // expires with this: for answers that come later
};

}  // namespace dormouse::agent
