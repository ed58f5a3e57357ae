// SPDX-License-Identifier: Apache-2.0

#include "network/namespace.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <gtest/gtest.h>

namespace dormouse::network {
namespace {

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd bound(int type) {
  UniqueFd made(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback();
  EXPECT_EQ(::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(type == SOCK_STREAM ? ::listen(made.get(), 8) : 0, 0);
  return made;
}

UniqueFd connected_to(const UniqueFd& listener, int type) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  UniqueFd made(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::send(made.get(), "early", 5, 0), 5);
  return made;
}

TEST(NamespaceListenersTest, WhatWasSaidWhileNobodyListenedIsNeverHeard) {
  const Namespace::Listeners listeners{bound(SOCK_STREAM), bound(SOCK_DGRAM), bound(SOCK_STREAM)};
  const UniqueFd first = connected_to(listeners.tcp, SOCK_STREAM);
  const UniqueFd second = connected_to(listeners.dns_tcp, SOCK_STREAM);
  const UniqueFd third = connected_to(listeners.dns_udp, SOCK_DGRAM);
  listeners.reset_waiting();
  char byte = 0;
  for (const UniqueFd* const client : {&first, &second}) {
    EXPECT_EQ(::recv(client->get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
  }
  EXPECT_EQ(::recv(listeners.dns_udp.get(), &byte, 1, 0), -1);
  EXPECT_EQ(::accept(listeners.tcp.get(), nullptr, nullptr), -1);

  const UniqueFd late = connected_to(listeners.tcp, SOCK_STREAM);
  const UniqueFd taken(::accept(listeners.tcp.get(), nullptr, nullptr));
  EXPECT_EQ(::recv(taken.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'e');
}

}  // namespace
}  // namespace dormouse::network
