// SPDX-License-Identifier: Apache-2.0

#include "network/namespace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/scope_exit.h"
#include "os/file.h"
#include "os/process.h"

namespace dormouse::network {
namespace {

constexpr int kBacklog = 128;
constexpr int kWaitingMax = 4 * kBacklog;  // more than a listener keeps, also of datagrams

constexpr char kTapName[] = "tap0";
constexpr char kTapMac[6] = {0x52, 0x54, 0x00, 0x00, 0x02, 0x02};

// Everything the guest may reach is the gateway: its egress listener, to which all TCP is redirected, and DNS.
constexpr char kRules[] = R"(table inet dormouse {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "tap0" ip daddr != 10.0.2.2 meta l4proto tcp redirect to :1
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "tap0" ip daddr 10.0.2.2 tcp dport { 1, 53 } accept
    iifname "tap0" ip daddr 10.0.2.2 udp dport 53 accept
    iifname "tap0" ip protocol icmp icmp type echo-request limit rate 10/second accept
  }
  chain forward { type filter hook forward priority filter; policy drop; }
}
)";

Status set_address(int socket, const char* interface, const char* address, const char* mask) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  auto* const ip = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  ip->sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &ip->sin_addr);
  if (::ioctl(socket, SIOCSIFADDR, &request) != 0) {
    return fail_errno(std::string("set the address of ") + interface);
  }
  ::inet_pton(AF_INET, mask, &ip->sin_addr);
  if (::ioctl(socket, SIOCSIFNETMASK, &request) != 0) {
    return fail_errno(std::string("set the mask of ") + interface);
  }
  return {};
}

Status bring_up(int socket, const char* interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket, SIOCSIFFLAGS, &request) != 0) {
    return fail_errno(std::string("bring up ") + interface);
  }
  return {};
}

Result<UniqueFd> make_tap(int socket) {
  DM_ASSIGN(UniqueFd tap, os::open_file("/dev/net/tun", O_RDWR | O_NONBLOCK), "");
  ifreq request{};
  std::strncpy(request.ifr_name, kTapName, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    return fail_errno("make a tap");
  }
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::copy(std::begin(kTapMac), std::end(kTapMac), request.ifr_hwaddr.sa_data);
  if (::ioctl(socket, SIOCSIFHWADDR, &request) != 0) {
    return fail_errno("set the tap's MAC address");
  }
  return tap;
}

// The guest's MAC is known: no ARP towards it, so a guest that just woke is reached by the first packet.
Status add_neighbour(int socket) {
  arpreq request{};
  auto* const ip = reinterpret_cast<sockaddr_in*>(&request.arp_pa);
  ip->sin_family = AF_INET;
  ::inet_pton(AF_INET, kGuestAddress, &ip->sin_addr);
  request.arp_ha.sa_family = ARPHRD_ETHER;
  const unsigned char mac[6] = {0x52, 0x54, 0x00, 0x00, 0x02, 0x0f};
  std::memcpy(request.arp_ha.sa_data, mac, sizeof mac);
  request.arp_flags = ATF_PERM | ATF_COM;
  std::strncpy(request.arp_dev, kTapName, sizeof request.arp_dev - 1);
  if (::ioctl(socket, SIOCSARP, &request) != 0) {
    return fail_errno("add the guest's neighbour entry");
  }
  return {};
}

// nft runs on the calling thread's side of the namespace: children inherit it.
Status load_rules(const os::Context& context) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail_errno("pipe");
  }
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  DM_ASSIGN(const UniqueFd null, os::open_file("/dev/null", O_WRONLY), "");
  os::SpawnRequest request;
  request.arguments = {"/usr/sbin/nft", "-f", "-"};
  request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  request.descriptors = {{read_end.get(), 0}, {null.get(), 1}, {STDERR_FILENO, 2}};
  DM_ASSIGN(os::Process nft, os::Process::spawn(request), "");
  read_end.reset();
  DM_TRY(os::write_all(write_end.get(), std::string_view(kRules), "rules to nft"), "");
  write_end.reset();
  auto end = nft.wait(context);
  if (!end) {
    nft.kill(SIGKILL);
    return fail(std::move(end).error());
  }
  if (end->exit_code != 0) {
    return fail(ErrorKind::kInternal, "load the namespace's rules: nft ended with " + end->describe());
  }
  return {};
}

Status disable_ipv6() {
  // Only where the kernel has IPv6 at all.
  for (const char* const scope : {"all", "default"}) {
    const std::string path = std::string("/proc/sys/net/ipv6/conf/") + scope + "/disable_ipv6";
    auto file = os::open_file(path, O_WRONLY);
    if (!file && file.error().errno_value() == ENOENT) {
      continue;
    }
    if (!file) {
      return fail(std::move(file).error());
    }
    DM_TRY(os::write_all(file->get(), std::string_view("1"), path), "");
  }
  return {};
}

// Rules first, then the tap: there is no moment at which a packet meets a namespace without rules.
Result<UniqueFd> configure(const os::Context& context) {
  DM_TRY(disable_ipv6(), "");
  DM_TRY(load_rules(context), "");
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    return fail_errno("socket");
  }
  DM_TRY(bring_up(socket.get(), "lo"), "");
  DM_ASSIGN(UniqueFd tap, make_tap(socket.get()), "");
  DM_TRY(set_address(socket.get(), kTapName, kGatewayAddress, "255.255.255.0"), "");
  DM_TRY(bring_up(socket.get(), kTapName), "");
  DM_TRY(add_neighbour(socket.get()), "");
  return tap;
}

Result<UniqueFd> current_namespace() { return os::open_file("/proc/thread-self/ns/net", O_RDONLY); }

// Runs `action` with the calling thread in namespace `descriptor`. The thread is always brought back: a thread in the
// wrong namespace would connect tenants to each other, so failing at that ends the process.
Status inside(int descriptor, const std::function<Status()>& action) {
  DM_ASSIGN(const UniqueFd home, current_namespace(), "");
  if (::setns(descriptor, CLONE_NEWNET) != 0) {
    return fail_errno("enter the namespace");
  }
  Status status = action();
  if (::setns(home.get(), CLONE_NEWNET) != 0) {
    log::error("a thread cannot leave a VM's network namespace");
    std::abort();
  }
  return status;
}

sockaddr_in address_of(const char* address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &result.sin_addr);
  return result;
}

}  // namespace

Result<Namespace> Namespace::create(const os::Context& context) {
  // A thread of its own: unshare() moves the calling thread, and this one has nowhere to go back to.
  Result<UniqueFd> name_space = fail(ErrorKind::kInternal, "not made");
  Result<UniqueFd> tap = fail(ErrorKind::kInternal, "not made");
  std::thread maker([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      name_space = fail_errno("unshare a network namespace");
      return;
    }
    name_space = current_namespace();
    tap = configure(context);
  });
  maker.join();
  DM_ASSIGN(UniqueFd made, std::move(name_space), "make a network namespace");
  DM_ASSIGN(UniqueFd made_tap, std::move(tap), "make a network namespace");
  return Namespace(std::move(made), std::move(made_tap));
}

Result<Namespace> Namespace::of_process(pid_t pid) {
  DM_ASSIGN(UniqueFd name_space, os::open_file("/proc/" + std::to_string(pid) + "/ns/net", O_RDONLY), "");
  return Namespace(std::move(name_space), UniqueFd());
}

Result<UniqueFd> Namespace::socket(int domain, int type) const {
  UniqueFd made;
  const auto make = [&]() -> Status {
    made.reset(::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) {
      return fail_errno("socket");
    }
    return {};
  };
  DM_TRY(inside(namespace_.get(), make), "");
  return made;
}

Result<UniqueFd> Namespace::connect(std::uint16_t port, const os::Context& context) const {
  DM_ASSIGN(UniqueFd connection, socket(AF_INET, SOCK_STREAM), "");
  const sockaddr_in address = address_of(kGuestAddress, port);
  const std::string doing = "connect to guest port " + std::to_string(port);
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    return fail_errno(doing);
  }
  DM_TRY(context.wait(connection.get(), POLLOUT, doing), "");
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(connection.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    return fail(Error::from_errno(error, doing));
  }
  return connection;
}

void Namespace::Listeners::reset_waiting() const {
  for (const UniqueFd* const listener : {&tcp, &dns_tcp}) {
    for (int i = 0; i < kWaitingMax; ++i) {
      const UniqueFd waiting(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!waiting) {
        break;
      }
      const linger at_once{1, 0};
      ::setsockopt(waiting.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  }
  char byte = 0;
  for (int i = 0; i < kWaitingMax && ::recv(dns_udp.get(), &byte, sizeof byte, MSG_DONTWAIT) >= 0; ++i) {
  }
}

Result<Namespace::Listeners> Namespace::listen() const {
  const auto bound = [&](int type, std::uint16_t port) -> Result<UniqueFd> {
    DM_ASSIGN(UniqueFd made, socket(AF_INET, type), "");
    const int one = 1;
    ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const sockaddr_in address = address_of(kGatewayAddress, port);
    if (::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return fail_errno("bind the gateway's port " + std::to_string(port));
    }
    if (type == SOCK_STREAM && ::listen(made.get(), kBacklog) != 0) {
      return fail_errno("listen on the gateway's port " + std::to_string(port));
    }
    return made;
  };
  Listeners listeners;
  DM_ASSIGN(listeners.tcp, bound(SOCK_STREAM, kEgressPort), "");
  DM_ASSIGN(listeners.dns_udp, bound(SOCK_DGRAM, 53), "");
  DM_ASSIGN(listeners.dns_tcp, bound(SOCK_STREAM, 53), "");
  return listeners;
}

}  // namespace dormouse::network
