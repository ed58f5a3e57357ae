// SPDX-License-Identifier: Apache-2.0

#include "agent/restore.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/core.h>

#include "os/file.h"
#include "protocol/limits.h"

namespace dormouse::agent {
namespace {

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 diag;
};

// Sends one request and calls `take` for each socket that comes back; stops at the acknowledgement or the end of the dump.
template <typename Take>
Status exchange(int netlink, const DiagRequest& request, Take take) {
  if (::send(netlink, &request, sizeof request, 0) != ssize_t{sizeof request}) {
    return fail_errno("send to sock_diag");
  }
  static_assert(sizeof(nlmsghdr) == NLMSG_HDRLEN);  // so that a message's data follows its header directly
  alignas(nlmsghdr) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t count = ::recv(netlink, buffer.data(), buffer.size(), 0);
    if (count < 0) {
      return fail_errno("receive from sock_diag");
    }
    auto left = static_cast<std::uint32_t>(count);
    for (const nlmsghdr* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) {
        return {};
      }
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto* const error = reinterpret_cast<const nlmsgerr*>(message + 1);
        return error->error == 0 ? Status() : fail(Error::from_errno(-error->error, "sock_diag"));
      }
      take(*reinterpret_cast<const inet_diag_msg*>(message + 1));
    }
  }
}

bool is_loopback(int family, const __be32 (&words)[4]) {
  if (family == AF_INET) {
    return ntohl(words[0]) >> 24 == 127;
  }
  in6_addr address;
  std::memcpy(&address, words, sizeof address);
  return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && ntohl(words[3]) >> 24 == 127);
}

// Both ends are in this guest: a snapshot takes such a connection along whole.
bool is_inside(const inet_diag_msg& socket) {
  const std::size_t size = socket.idiag_family == AF_INET ? 4 : 16;
  return is_loopback(socket.idiag_family, socket.id.idiag_src) ||
         is_loopback(socket.idiag_family, socket.id.idiag_dst) ||
         std::memcmp(socket.id.idiag_src, socket.id.idiag_dst, size) == 0;
}

bool is_connected(const inet_diag_msg& socket) { return socket.id.idiag_dport != 0; }

// States whose sockets hold a connection. Those in TIME_WAIT are only a note of the kernel's and cannot be destroyed.
constexpr std::uint32_t kConnectionStates = 1U << TCP_ESTABLISHED | 1U << TCP_SYN_SENT | 1U << TCP_SYN_RECV |
                                            1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT |
                                            1U << TCP_LAST_ACK | 1U << TCP_CLOSING;

DiagRequest make_request(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint8_t protocol) {
  DiagRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.diag.sdiag_family = family;
  request.diag.sdiag_protocol = protocol;
  request.diag.idiag_states = kConnectionStates;
  return request;
}

Result<std::uint64_t> destroy(int netlink, std::uint8_t family, std::uint8_t protocol, ino_t spared) {
  std::vector<inet_diag_msg> doomed;
  const DiagRequest dump = make_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family, protocol);
  DM_TRY(exchange(netlink,
                  dump,
                  [&](const inet_diag_msg& socket) {
                    if (is_connected(socket) && !is_inside(socket) && socket.idiag_inode != spared) {
                      doomed.push_back(socket);
                    }
                  }),
         "list connections (are the tcp_diag and udp_diag modules loaded?)");
  std::uint64_t destroyed = 0;
  for (const inet_diag_msg& socket : doomed) {
    DiagRequest request = make_request(SOCK_DESTROY, NLM_F_ACK, family, protocol);
    request.diag.id = socket.id;
    const auto done = exchange(netlink, request, [](const inet_diag_msg&) {});
    if (done) {
      ++destroyed;
    } else if (done.error().errno_value() != ENOENT) {
      return fail(Error(done.error()).with_context("destroy a connection"));
    }
  }
  return destroyed;
}

}  // namespace

Result<std::uint64_t> reseed(std::string_view entropy) {
  DM_ASSIGN(const UniqueFd random, os::open_file("/dev/urandom", O_RDWR), "");
  alignas(rand_pool_info) std::array<char, sizeof(rand_pool_info) + protocol::kEntropyBytesMax> buffer{};
  auto* const pool = reinterpret_cast<rand_pool_info*>(buffer.data());
  const std::size_t size = std::min(entropy.size(), protocol::kEntropyBytesMax);
  pool->entropy_count = static_cast<int>(size * 8);
  pool->buf_size = static_cast<int>(size);
  std::memcpy(buffer.data() + sizeof(rand_pool_info), entropy.data(), size);
  if (::ioctl(random.get(), RNDADDENTROPY, pool) != 0) {
    return fail_errno("RNDADDENTROPY");
  }
  if (::ioctl(random.get(), RNDRESEEDCRNG) != 0) {
    return fail_errno("RNDRESEEDCRNG");
  }
  return std::uint64_t{size} * 8;
}

Status set_wall_clock(std::int64_t unix_time_ns) {
  timespec time{};
  time.tv_sec = unix_time_ns / 1'000'000'000;
  time.tv_nsec = unix_time_ns % 1'000'000'000;
  if (::clock_settime(CLOCK_REALTIME, &time) != 0) {
    return fail_errno(fmt::format("clock_settime to {} ns", unix_time_ns));
  }
  return {};
}

Result<Destroyed> destroy_connections(int spared) {
  struct stat status{};
  if (::fstat(spared, &status) != 0) {
    return fail_errno("fstat");
  }
  UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) {
    return fail_errno("socket NETLINK_SOCK_DIAG");
  }
  Destroyed destroyed;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    DM_ASSIGN(const std::uint64_t tcp, destroy(netlink.get(), family, IPPROTO_TCP, status.st_ino), "TCP");
    DM_ASSIGN(const std::uint64_t udp, destroy(netlink.get(), family, IPPROTO_UDP, status.st_ino), "UDP");
    destroyed.tcp += tcp;
    destroyed.udp += udp;
  }
  return destroyed;
}

}  // namespace dormouse::agent
