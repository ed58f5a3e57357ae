// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"
#include "protocol/frame.h"

namespace dormouse::agent {

// One connection of the host's: frames in, frames out, never blocking. What cannot be sent at once waits in an outbox,
// which is kept small by its users: they queue more only when idle(). A broken connection stays broken.
class HostStream {
 public:
  explicit HostStream(UniqueFd socket) : socket_(std::move(socket)) {}

  int descriptor() const { return socket_.get(); }
  bool broken() const { return broken_; }  // or ended by the host: there is nobody to answer
  bool idle() const { return outbox_.empty(); }

  // The next frame, nothing when none has arrived whole. kInvalidArgument for what is no frame.
  Result<std::optional<protocol::Frame>> next_frame();
  std::string_view rest() const { return frames_.rest(); }  // received after the frames

  UniqueFd give_up_socket() { return std::move(socket_); }

  void send(protocol::FrameType type, std::string_view payload);  // queues and flushes
  void flush();

  void discard();  // breaks the connection: closing it will send RST

 private:
  bool receive();  // true if there may be more

  UniqueFd socket_;
  protocol::FrameDecoder frames_;
  std::string outbox_;
  std::size_t sent_ = 0;  // of outbox_
  bool broken_ = false;
};

}  // namespace dormouse::agent
