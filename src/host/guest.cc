// SPDX-License-Identifier: Apache-2.0

#include "host/guest.h"

#include <sys/random.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/uuid.h"
#include "host/process_guard.h"

namespace dormouse::host {
namespace {

constexpr std::size_t kEntropyBytes = 64;
constexpr std::chrono::seconds kBootAttempt{2};
// Of a processor: a guest sees its peak, four times its baseline (specification section 6.2), and the baseline is its share.
constexpr unsigned kThousandthsEachVcpu = 250;
// What is made ahead takes nothing from those who are asked for something now.
constexpr unsigned kThousandthsInStock = 25;

Result<std::string> fresh_entropy() {
  std::string bytes(kEntropyBytes, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail_errno("getrandom");
  }
  return bytes;
}

}  // namespace

Identity identity_of(const std::string& microvm_id) {
  constexpr std::string_view kPrefix = "microvm-";
  std::string digits = microvm_id.starts_with(kPrefix) ? microvm_id.substr(kPrefix.size()) : make_uuid();
  std::erase(digits, '-');
  return {microvm_id, digits};
}

Guest::Guest(GuestSupport& support,
             std::string name,
             std::shared_ptr<const network::Namespace> name_space,
             std::uint64_t agent_protocol)
    : support_(support),
      name_(std::move(name)),
      namespace_(std::move(name_space)),
      agent_([name_space =
                  namespace_](const os::Context& context) { return name_space->connect(network::kAgentPort, context); },
             agent_protocol) {}

Guest::~Guest() {
  close_egress();
  if (support_.cpu_groups && vmm_) {
    support_.cpu_groups->remove(vmm_->process().pid());
  }
}

void Guest::give_share(unsigned thousandths) {
  if (!support_.cpu_groups) {
    return;
  }
  const Status placed = support_.cpu_groups->place(vmm_->process().pid(), thousandths);
  if (!placed) {
    log::warning("a VM has no share of the processors by its size",
                 {{"vm", name_}, {"error", placed.error().message()}});
  }
}

Status Guest::commission() {
  if (!stock_) {
    return {};
  }
  if (support_.cpu_groups) {
    const unsigned share = stock_->vcpus * kThousandthsEachVcpu;
    if (const Status changed = support_.cpu_groups->change(vmm_->process().pid(), share); !changed) {
      log::warning("a VM keeps the small share of the processors that it was made ahead with",
                   {{"vm", name_}, {"error", changed.error().message()}});
    }
  }
  Stock stock = *std::exchange(stock_, std::nullopt);
  stock.held.reset_waiting();  // nothing that was said before this leaves
  return serve(std::move(stock.held), stock.egress);
}

void Guest::close_egress() { support_.egress.remove(name_); }

Status Guest::open_egress(network::Egress egress) {
  DM_ASSIGN(network::Namespace::Listeners listeners, namespace_->listen(), "");
  return serve(std::move(listeners), egress);
}

Status Guest::serve(network::Namespace::Listeners listeners, network::Egress egress) {
  network::EgressServer::Listeners served{
      std::move(listeners.tcp), std::move(listeners.dns_udp), std::move(listeners.dns_tcp)};
  return support_.egress.add(name_, std::move(served), egress);
}

Result<std::unique_ptr<Guest>> Guest::start(GuestSupport& support, GuestRequest request, const os::Context& context) {
  DM_ASSIGN(network::Namespace made,
            context.trace().step("namespace", [&] { return network::Namespace::create(context); }),
            "");
  UniqueFd tap = made.take_tap();
  auto name_space = std::make_shared<const network::Namespace>(std::move(made));
  std::unique_ptr<Guest> guest(new Guest(support, request.name, name_space, request.agent_protocol));
  if (request.in_stock) {
    // The kernel completes the handshakes of as many connections as a listener's backlog holds.
    DM_ASSIGN(network::Namespace::Listeners held, guest->namespace_->listen(), "");
    guest->stock_.emplace(Stock{std::move(held), request.egress, request.model.vcpus});
  } else {
    DM_TRY(guest->open_egress(request.egress), "");
  }

  vmm::VmmRequest start;
  start.launcher = support.launcher;
  start.engine = request.engine->directory.get();
  start.name = request.name;
  start.data_directory = support.data_directory;
  start.directory = std::move(request.directory);
  const std::uint32_t vcpus = request.model.vcpus;
  start.model = std::move(request.model);
  start.memory = std::move(request.memory);
  start.shared = request.shared_memory;
  start.disks = std::move(request.disks);
  start.network_namespace = name_space->descriptor();
  start.tap = std::move(tap);
  start.user = request.user;
  start.boot = std::move(request.boot);
  DM_ASSIGN(
      guest->vmm_, context.trace().step("start_qemu", [&] { return vmm::Vmm::start(std::move(start), context); }), "");
  guest->give_share(guest->stock_ ? kThousandthsInStock : vcpus * kThousandthsEachVcpu);
  return guest;
}

Result<std::unique_ptr<Guest>> Guest::attach(GuestSupport& support, RunningGuest running, const os::Context& context) {
  DM_ASSIGN(network::Namespace found, network::Namespace::of_process(running.process.pid()), "");
  std::unique_ptr<Guest> guest(new Guest(support,
                                         std::move(running.name),
                                         std::make_shared<const network::Namespace>(std::move(found)),
                                         running.agent_protocol));
  DM_ASSIGN(guest->vmm_, vmm::Vmm::attach(std::move(running.process), running.directory, context), "");
  DM_TRY(guest->open_egress(running.egress), "");
  return guest;
}

Status Guest::boot(const os::Context& context) {
  DM_TRY(vmm_->run(context), "boot");
  // In short attempts: a process that ends takes its network along, and nothing tells those who wait on it.
  for (;;) {
    auto answer = agent_.hello(context.within(kBootAttempt));
    if (answer) {
      return {};
    }
    auto end = vmm_->process().wait(os::Context::with_timeout(std::chrono::milliseconds(0)));
    if (end) {
      return fail(ErrorKind::kUnavailable,
                  "boot the guest: QEMU ended with " + end->describe() + "; the console says: " + vmm_->console());
    }
    const bool out_of_time = !context.check("boot");
    if (out_of_time || answer.error().kind() != ErrorKind::kDeadlineExceeded) {
      return fail(std::move(answer).error().with_context("boot the guest, whose console says: " + vmm_->console()));
    }
  }
}

Status Guest::wake(bool thaw, const std::optional<Identity>& identity, const os::Context& context) {
  DM_TRY(context.trace().step("run", [&] { return vmm_->run(context); }), "wake");
  return renew(thaw, identity, context);
}

Status Guest::freeze(const protocol::Freeze& freeze, const os::Context& context) {
  const ProcessGuard guard(vmm_->process(), context);
  DM_TRY(guard.told(agent_.freeze(freeze, guard.context())), "");
  return {};
}

Status Guest::thaw(const os::Context& context) {
  const ProcessGuard guard(vmm_->process(), context);
  return guard.told(agent_.thaw(protocol::Thaw{0}, guard.context()));  // to be replaced by the time of sending
}

Status Guest::renew(bool thaw, const std::optional<Identity>& identity, const os::Context& context) {
  protocol::Restored restored;
  DM_ASSIGN(restored.entropy, fresh_entropy(), "");
  restored.thaw = thaw;
  if (identity) {
    restored.hostname = identity->hostname;
    restored.machine_id = identity->machine_id;
  }
  const ProcessGuard guard(vmm_->process(), context);
  DM_TRY(
      context.trace().step("reseed_and_thaw", [&] { return guard.told(agent_.restored(restored, guard.context())); }),
      "wake");
  return {};
}

Status Guest::end(const os::Context& context) {
  close_egress();
  DM_TRY(vmm_->kill(context), "end " + name_);
  return {};
}

}  // namespace dormouse::host
