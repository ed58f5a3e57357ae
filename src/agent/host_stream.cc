// SPDX-License-Identifier: Apache-2.0

#include "agent/host_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace dormouse::agent {

Result<std::optional<protocol::Frame>> HostStream::next_frame() {
  for (;;) {
    auto frame = frames_.next();
    if (!frame || *frame) {
      return frame;
    }
    if (!receive()) {
      return frames_.next();
    }
  }
}

bool HostStream::receive() {
  std::array<char, 8192> buffer;
  while (!broken_) {
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count > 0) {
      frames_.feed({buffer.data(), static_cast<std::size_t>(count)});
      return true;
    }
    if (count < 0 && errno == EAGAIN) {
      return false;
    }
    broken_ = count == 0 || errno != EINTR;
  }
  return false;
}

void HostStream::send(protocol::FrameType type, std::string_view payload) {
  outbox_.append(protocol::encode_frame(type, payload));
  flush();
}

void HostStream::flush() {
  while (!broken_ && sent_ < outbox_.size()) {
    const ssize_t count = ::send(socket_.get(), outbox_.data() + sent_, outbox_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
  outbox_.clear();
  sent_ = 0;
}

void HostStream::discard() {
  const linger reset{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  broken_ = true;
}

}  // namespace dormouse::agent
