// SPDX-License-Identifier: Apache-2.0

#include "agent/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "agent/request_session.h"
#include "agent/restore.h"
#include "protocol/limits.h"

namespace dormouse::agent {
namespace {

constexpr std::uint32_t kGateway = 0x0A000202;  // 10.0.2.2
constexpr std::size_t kSessionsMax = 4096;

bool is_gateway(const sockaddr_in& peer) {
  return peer.sin_family == AF_INET && ntohl(peer.sin_addr.s_addr) == kGateway;
}

}  // namespace

Server::~Server() {
  sessions_.clear();
  if (listener_) {
    loop_.remove(listener_.get());
  }
}

Status Server::serve(UniqueFd listener) {
  listener_ = std::move(listener);
  loop_.after_batch([this] { sweep(); });
  return loop_.add_level(listener_.get(), *this);
}

void Server::on_events(std::uint32_t) {
  for (int i = 0; i < 16; ++i) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    UniqueFd connection(
        ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      return;
    }
    if ((!options_.machine || is_gateway(peer)) && sessions_.size() < kSessionsMax) {
      welcome(std::move(connection));
    }
  }
}

void Server::welcome(UniqueFd connection) {
  const int descriptor = connection.get();
  auto session = std::make_unique<RequestSession>(*this, std::make_unique<HostStream>(std::move(connection)));
  if (loop_.add(descriptor, *session)) {
    adopt(std::move(session));
  }
}

void Server::sweep() {
  std::erase_if(sessions_, [](const auto& session) { return session->done(); });
}

protocol::HelloAnswer Server::hello() const {
  protocol::HelloAnswer answer;
  answer.version = protocol::kVersion;
  answer.agent_version = DORMOUSE_VERSION;
  answer.role = options_.role;
  answer.application = application_.state();
  answer.frozen = application_.frozen();
  return answer;
}

Answered<protocol::FreezeAnswer> Server::freeze(const protocol::Freeze& request, const Session& asking) {
  if (const auto frozen = application_.freeze(); !frozen) {
    return refuse("not_frozen", frozen.error());
  }
  protocol::FreezeAnswer answer;
  if (!request.keep_connections) {
    for (const auto& session : sessions_) {
      if (session.get() != &asking && !session->done()) {
        session->abort();
        ++answer.connections_closed;
      }
    }
    std::erase_if(sessions_, [&](const auto& session) { return session.get() != &asking && session->done(); });
  }
  if (request.sync) {
    ::sync();
  }
  if (request.drop_caches) {
    if (const auto dropped = write_kernel_file("/proc/sys/vm/drop_caches", "3"); !dropped) {
      return refuse("internal", dropped.error());
    }
  }
  return answer;
}

Answered<protocol::RestoredAnswer> Server::restored(const protocol::Restored& request, int connection) {
  const auto received = std::chrono::steady_clock::now();
  protocol::RestoredAnswer answer;
  const auto bits = reseed(request.entropy);
  if (!bits) {
    return refuse("not_reseeded", bits.error());
  }
  answer.entropy_bits = *bits;
  const std::chrono::nanoseconds since = std::chrono::steady_clock::now() - received;
  if (const auto set = set_wall_clock(request.unix_time_ns + since.count()); !set) {
    return refuse("clock_not_set", set.error());
  }
  const auto destroyed = destroy_connections(connection);
  if (!destroyed) {
    return refuse("connections_not_destroyed", destroyed.error());
  }
  answer.tcp_destroyed = destroyed->tcp;
  answer.udp_destroyed = destroyed->udp;
  if (request.hostname) {
    if (const auto set = application_.set_hostname(*request.hostname); !set) {
      return refuse("hostname_not_set", set.error());
    }
  }
  if (request.machine_id) {
    if (const auto set = application_.set_machine_id(*request.machine_id); !set) {
      return refuse("machine_id_not_set", set.error());
    }
  }
  if (request.thaw) {
    if (const auto thawed = application_.thaw(); !thawed) {
      return refuse("not_thawed", thawed.error());
    }
    answer.thawed = true;
  }
  return answer;
}

Answered<void> Server::thaw(const protocol::Thaw& request) {
  if (request.unix_time_ns) {
    if (const auto set = set_wall_clock(*request.unix_time_ns); !set) {
      return refuse("clock_not_set", set.error());
    }
  }
  if (const auto thawed = application_.thaw(); !thawed) {
    return refuse("not_thawed", thawed.error());
  }
  return {};
}

}  // namespace dormouse::agent
