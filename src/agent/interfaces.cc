// SPDX-License-Identifier: Apache-2.0

#include "agent/interfaces.h"

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/limits.h"

namespace dormouse::agent {
namespace {

constexpr std::uint32_t kGuest = 0x0A00020F;    // 10.0.2.15
constexpr std::uint32_t kGateway = 0x0A000202;  // 10.0.2.2
constexpr std::uint32_t kMask = 0xFFFFFF00;
constexpr std::string_view kInterface = "eth0";
constexpr int kBacklog = 128;

sockaddr_in address_of(std::uint32_t address, std::uint16_t port = 0) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(address);
  return result;
}

ifreq request_for(std::string_view name) {
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  return request;
}

Status configure(int socket, unsigned long what, ifreq request, std::string_view action) {
  if (::ioctl(socket, what, &request) != 0) {
    return fail_errno(std::string(action) + " " + request.ifr_name);
  }
  return {};
}

Status bring_up(int socket, std::string_view name) {
  ifreq request = request_for(name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return configure(socket, SIOCSIFFLAGS, request, "bring up");
}

Status set_address(int socket, unsigned long what, std::uint32_t address, std::string_view action) {
  ifreq request = request_for(kInterface);
  const sockaddr_in wanted = address_of(address);
  static_assert(sizeof wanted == sizeof request.ifr_addr);
  std::copy_n(reinterpret_cast<const char*>(&wanted), sizeof wanted, reinterpret_cast<char*>(&request.ifr_addr));
  return configure(socket, what, request, action);
}

Status add_default_route(int socket) {
  rtentry route{};
  const sockaddr_in gateway = address_of(kGateway);
  const sockaddr_in any = address_of(0);
  const auto put = [](sockaddr& target, const sockaddr_in& value) {
    std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, reinterpret_cast<char*>(&target));
  };
  put(route.rt_gateway, gateway);
  put(route.rt_dst, any);
  put(route.rt_genmask, any);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (::ioctl(socket, SIOCADDRT, &route) != 0) {
    return fail_errno("add the default route");
  }
  return {};
}

}  // namespace

Status bring_up_interfaces() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    return fail_errno("socket");
  }
  DM_TRY(bring_up(socket.get(), "lo"), "");
  DM_TRY(set_address(socket.get(), SIOCSIFADDR, kGuest, "give an address to"), "");
  DM_TRY(set_address(socket.get(), SIOCSIFNETMASK, kMask, "give a netmask to"), "");
  DM_TRY(bring_up(socket.get(), kInterface), "");
  return add_default_route(socket.get());
}

Result<UniqueFd> listen_on_interface() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    return fail_errno("socket");
  }
  const int on = 1;
  const sockaddr_in address = address_of(kGuest, protocol::kAgentPort);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::setsockopt(
          socket.get(), SOL_SOCKET, SO_BINDTODEVICE, kInterface.data(), static_cast<socklen_t>(kInterface.size())) !=
          0) {
    return fail_errno("set up the listening socket");
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return fail_errno("listen on 10.0.2.15 port " + std::to_string(protocol::kAgentPort));
  }
  return socket;
}

}  // namespace dormouse::agent
