// SPDX-License-Identifier: Apache-2.0

#include "host/rehearsal.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>

namespace dormouse::host {
namespace {

constexpr int kConnections = 3;  // what each bought: docs/decisions/0008-rehearsals.md
constexpr std::chrono::milliseconds kConnectionsTimeout{2'000};
constexpr std::chrono::milliseconds kAnswerTimeout{500};

// False: there is no use in another one.
bool connect_and_end(const AgentClient& agent, std::uint16_t port, const os::Context& context) {
  const auto connection = agent.connect(port, context);
  return connection && ::shutdown(connection->get(), SHUT_WR) == 0 &&
         context.within(kAnswerTimeout).wait(connection->get(), POLLIN, "wait for the end of a connection").has_value();
}

}  // namespace

Status rehearse(Guest& guest, std::uint16_t port, const os::Context& context) {
  DM_TRY(guest.renew(true, identity_of("rehearsal"), context), "rehearse the application");
  const os::Context connecting = context.within(kConnectionsTimeout);
  for (int i = 0; i < kConnections && connect_and_end(guest.agent(), port, connecting); ++i) {
  }
  DM_TRY(guest.freeze({}, context), "rehearse the application");
  return {};
}

}  // namespace dormouse::host
