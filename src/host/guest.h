// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/engine.h"
#include "host/agent_client.h"
#include "network/egress_server.h"
#include "network/namespace.h"
#include "os/context.h"
#include "os/cpu_groups.h"
#include "protocol/limits.h"
#include "vmm/vmm.h"

namespace dormouse::host {

// What all guests of a host are started with; outlives them.
struct GuestSupport {
  std::string launcher;  // dormouse-vmm-launch
  std::filesystem::path data_directory;
  network::EgressServer& egress;
  // Shares of the host's processors by the size of the guest. None: all virtual processors weigh the same.
  std::optional<os::CpuGroups> cpu_groups = std::nullopt;
};

struct GuestRequest {
  std::string name;                 // unique among the guests that run: a microvm id, or made of a build id
  std::filesystem::path directory;  // exists; for sockets and messages of this incarnation
  std::shared_ptr<const engine::Engine> engine;
  vmm::MachineModel model;
  UniqueFd memory;
  bool shared_memory = false;
  std::vector<vmm::DiskFiles> disks;
  unsigned user = 0;
  network::Egress egress = network::Egress::kInternet;
  // Nobody's yet. Until commission(), what it connects to seems to take the connection and says nothing, and its share of the
  // processors is small.
  bool in_stock = false;
  std::optional<vmm::BootFiles> boot;
  std::uint64_t agent_protocol = protocol::kVersion;  // that its agent speaks: today's if it boots, else its snapshot's
};

// A guest that an earlier daemon started.
struct RunningGuest {
  std::string name;
  std::filesystem::path directory;
  os::Process process;
  network::Egress egress = network::Egress::kInternet;
  std::uint64_t agent_protocol = protocol::kVersion;
};

// Who a guest is, where its siblings are others.
struct Identity {
  std::string hostname;
  std::string machine_id;  // machine-id(5)
};
// Of the VM "microvm-<uuid>": its id, and the UUID's digits. Of one that has another name, as a build's has: random ones.
Identity identity_of(const std::string& microvm_id);

// What ending a guest, or undoing what was done to it, may take: also when the operation has no time left.
inline constexpr std::chrono::seconds kEndTimeout{30};

// A guest that has a process: VMM, network namespace, way out, and the agent inside. Destroying it leaves the process
// running, for a daemon that comes back, unless end() was called; the way out ends with it in any case.
//
// Threads: as vmm::Vmm; agent() may be used by any number of threads.
class Guest {
 public:
  // The vCPUs stand still until vmm().run().
  static Result<std::unique_ptr<Guest>> start(GuestSupport& support, GuestRequest request, const os::Context& context);
  static Result<std::unique_ptr<Guest>> attach(GuestSupport& support, RunningGuest running, const os::Context& context);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  vmm::Vmm& vmm() { return *vmm_; }
  const vmm::Vmm& vmm() const { return *vmm_; }
  const AgentClient& agent() const { return agent_; }

  // Boots: runs the vCPUs and waits until the agent answers. The error holds the end of the guest's console.
  Status boot(const os::Context& context);

  // To be called when memory and device state are loaded: runs the vCPUs; the agent reseeds, sets the clock, drops stale
  // connections, takes the identity if one is given and, if `thaw`, lets the application go on. Nothing of the application
  // has run before.
  Status wake(bool thaw, const std::optional<Identity>& identity, const os::Context& context);

  // The second half of wake(), for a guest that runs: a clone that was made ahead gets an identity of its own.
  Status renew(bool thaw, const std::optional<Identity>& identity, const os::Context& context);

  // Takes a guest out of the stock. What it had connected to is reset.
  Status commission();

  // The application stands still, until thaw() or a restore.
  Status freeze(const protocol::Freeze& freeze, const os::Context& context);

  // The reverse of a freeze after which the guest stood still: the clock is set, the application goes on.
  Status thaw(const os::Context& context);

  // For a guest that stands still for long: its way out, and all connections that lead there, end; and there is one again.
  void close_egress();
  Status open_egress(network::Egress egress);

  // Ends the process and the way out.
  Status end(const os::Context& context);

 private:
  Guest(GuestSupport& support,
        std::string name,
        std::shared_ptr<const network::Namespace> name_space,
        std::uint64_t agent_protocol);
  void give_share(unsigned thousandths);
  Status serve(network::Namespace::Listeners listeners, network::Egress egress);

  GuestSupport& support_;
  const std::string name_;
  const std::shared_ptr<const network::Namespace> namespace_;
  struct Stock {
    network::Namespace::Listeners held;  // where who wants to leave waits
    network::Egress egress;
    std::uint32_t vcpus;
  };
  std::optional<Stock> stock_;  // until it is commissioned, if it is in stock
  AgentClient agent_;
  std::unique_ptr<vmm::Vmm> vmm_;
};

}  // namespace dormouse::host
