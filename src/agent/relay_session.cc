// SPDX-License-Identifier: Apache-2.0

#include "agent/relay_session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "protocol/answers.h"

namespace dormouse::agent {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{32} << 10;
constexpr int kReadsPerTurn = 8;  // then other sessions have a turn

// True if the connect of `socket`, non-blocking, is done or under way.
bool begin_connect(int socket, std::uint16_t port, bool version_6) {
  int result = -1;
  if (version_6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  return result == 0 || errno == EINPROGRESS;
}

void send_without_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // a Unix socket has no such option, nor needs it
}

}  // namespace

RelaySession::RelaySession(Loop& loop, std::unique_ptr<HostStream> host, std::uint16_t port)
    : loop_(loop), host_(std::move(host)), port_(port) {}

RelaySession::~RelaySession() {
  loop_.forget(*this);
  if (host_) {
    loop_.remove(host_->descriptor());
  }
  for (const End* const end : {&host_end_, &application_end_}) {
    if (end->socket) {
      loop_.remove(end->socket.get());
    }
  }
}

void RelaySession::begin() {
  if (!loop_.hand_over(host_->descriptor(), *this)) {
    fail_both();
  } else if (!connect_to(false) && !connect_to(true)) {
    refuse(errno);
  }
}

bool RelaySession::connect_to(bool version_6) {
  version_6_ = version_6;
  if (application_end_.socket) {
    loop_.remove(application_end_.socket.get());
  }
  application_end_.socket.reset(
      ::socket(version_6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return application_end_.socket && begin_connect(application_end_.socket.get(), port_, version_6) &&
         loop_.add(application_end_.socket.get(), *this);
}

void RelaySession::finish_connecting() {
  int wrong = 0;
  socklen_t size = sizeof wrong;
  ::getsockopt(application_end_.socket.get(), SOL_SOCKET, SO_ERROR, &wrong, &size);
  sockaddr_storage peer;
  socklen_t peer_size = sizeof peer;
  if (wrong == 0 && ::getpeername(application_end_.socket.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0) {
    start_passing();
  } else if (wrong != 0 && (version_6_ || !connect_to(true))) {
    refuse(wrong);
  }
}

void RelaySession::refuse(int errno_value) {
  protocol::Refusal refusal;
  refusal.kind = ErrorKind::kUnavailable;
  refusal.code = "connection_refused";
  refusal.message =
      fmt::format("connect to port {} of the guest: {}", port_, std::generic_category().message(errno_value));
  stage_ = Stage::kRefusing;
  host_->send(protocol::FrameType::kRefusal, protocol::encode(refusal));
  done_ = host_->idle();
}

void RelaySession::start_passing() {
  stage_ = Stage::kPassing;
  application_end_.pending = host_->rest();
  host_end_.pending = protocol::encode_frame(protocol::FrameType::kAnswer, protocol::encode_empty_answer());
  host_end_.socket = host_->give_up_socket();
  host_.reset();
  send_without_delay(host_end_.socket.get());
  send_without_delay(application_end_.socket.get());
}

RelaySession::Passed RelaySession::pass(End& from, End& to) {
  std::array<char, kBufferBytes> buffer;
  for (int reads = 0; reads < kReadsPerTurn;) {
    while (!to.pending.empty()) {
      const ssize_t count = ::send(to.socket.get(), to.pending.data(), to.pending.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        to.pending.erase(0, static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        return Passed::kBlocked;
      } else if (errno != EINTR) {
        return Passed::kBroken;
      }
    }
    if (from.read_ended) {
      if (!to.write_ended) {
        to.write_ended = true;
        ::shutdown(to.socket.get(), SHUT_WR);
      }
      return Passed::kBlocked;
    }
    const ssize_t count = ::recv(from.socket.get(), buffer.data(), buffer.size(), 0);
    ++reads;
    if (count == 0) {
      from.read_ended = true;
    } else if (count < 0 && errno == EAGAIN) {
      return Passed::kBlocked;
    } else if (count < 0 && errno != EINTR) {
      return Passed::kBroken;
    } else if (count > 0) {
      const ssize_t sent = ::send(to.socket.get(), buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL);
      const ssize_t taken = sent > 0 ? sent : 0;
      to.pending.assign(buffer.data() + taken, static_cast<std::size_t>(count - taken));
    }
  }
  return Passed::kMore;
}

void RelaySession::on_events(std::uint32_t events) {
  if (done_) {
    return;
  }
  if (stage_ == Stage::kConnecting) {
    finish_connecting();
  }
  if (stage_ == Stage::kRefusing) {
    host_->flush();
    done_ = host_->idle() || host_->broken() || (events & EPOLLERR) != 0;
  }
  if (done_ || stage_ != Stage::kPassing) {
    return;
  }
  const Passed down = pass(host_end_, application_end_);
  const Passed up = pass(application_end_, host_end_);
  if (down == Passed::kBroken || up == Passed::kBroken) {
    fail_both();
  } else if (host_end_.write_ended && application_end_.write_ended) {
    done_ = true;
  } else if (down == Passed::kMore || up == Passed::kMore) {
    loop_.again(*this);
  }
}

void RelaySession::fail_both() {
  const linger reset{1, 0};
  for (const End* const end : {&host_end_, &application_end_}) {
    if (end->socket) {
      ::setsockopt(end->socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
  }
  if (host_) {
    host_->discard();
  }
  done_ = true;
}

}  // namespace dormouse::agent
