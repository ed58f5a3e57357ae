// SPDX-License-Identifier: Apache-2.0

#include "host/local_host.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "faults/fault_point.h"
#include "host/kernel_trial.h"
#include "http_client/http_call.h"
#include "os/command.h"
#include "os/file.h"
#include "os/host_facts.h"
#include "os/worker_pool.h"
#include "protocol/limits.h"
#include "vmm/acceleration.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr std::uint64_t kMemoryReserveBytes = 512ULL << 20U;  // what a launch must leave to the host
constexpr std::size_t kRecoveriesAtOnce = 8;
constexpr seconds kRecoveryTimeout{30};  // of one VM
constexpr seconds kCollectTimeout{10};
constexpr seconds kKeptReviewPeriod{1};
constexpr std::uint64_t kKeptShare = 8;  // of the host's memory, one part of so many for processes that are kept

std::vector<std::string> plain_environment() { return {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}; }

std::string launcher_of(const LocalHostOptions& options) {
  return (options.program_directory / "dormouse-vmm-launch").string();
}

engine::SystemQemu system_qemu(const LocalHostOptions& options, vmm::Acceleration acceleration) {
  engine::SystemQemu system;
  system.program = options.qemu;
  system.launcher = launcher_of(options);
  system.template_shim = (options.program_directory / "libdormouse-template-shim.so").string();
  system.data_directory = options.data_directory;
  system.acceleration = acceleration;
  system.user = options.first_user + options.users;  // nobody's
  return system;
}

// The numbers among the names in a directory; for /proc.
std::vector<int> numbers_in(const char* directory) {
  std::vector<int> numbers;
  DIR* const opened = ::opendir(directory);
  if (!opened) {
    return numbers;
  }
  const ScopeExit close([&] { ::closedir(opened); });
  while (const dirent* const entry = ::readdir(opened)) {
    const std::string_view name = entry->d_name;
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ptr == name.data() + name.size()) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

KeptProcesses::Limits limits_of_kept(seconds time) {
  KeptProcesses::Limits limits;
  limits.time = time;
  const auto memory = os::read_memory_facts();
  limits.bytes = memory ? memory->total_bytes / kKeptShare : 0;
  return limits;
}

ProcessCare care_of_processes() {
  ProcessCare care;
  care.lives = [](Guest& guest) { return !guest.vmm().process().wait(os::Context::with_timeout(seconds(0))); };
  care.bytes = [](Guest& guest) {
    const auto memory = os::memory_of(guest.vmm().process().pid());
    return memory ? memory->anonymous : 0;
  };
  care.end = [](Guest& guest) {
    if (const Status ended = guest.end(os::Context::with_timeout(kEndTimeout)); !ended) {
      log::warning("a suspended VM's process did not end", {{"error", ended.error().message()}});
    }
  };
  care.memory_is_short = [] { return WarmPool::memory_is_short(); };
  return care;
}

// What an earlier daemon saw come of the kernel of the base that prepare_base() will find, since the host came up.
std::optional<KernelVerdict> known_of_kernel(const LocalHostOptions& options, vmm::Acceleration probed) {
  const snapshot::Layout layout(options.data_directory);
  if (!is_up_to_trial(options.acceleration, probed) || has_kvm_images(layout)) {
    return std::nullopt;
  }
  managed_base::BuildOptions wanted;
  wanted.kernel = options.kernel;
  const auto boot_id = os::boot_id();
  const auto base = managed_base::ManagedBaseStore(options.cache_directory).newest(wanted);
  if (!boot_id || !base || !*base) {
    return std::nullopt;
  }
  return remembered_verdict(layout.kernel_trial(), {*boot_id, (*base)->key});
}

// The engine of new guests. `verdict` becomes emulation where KVM is up to a trial and QEMU does not even start under it.
Result<std::shared_ptr<const engine::Engine>> choose_engine(engine::EngineStore& engines,
                                                            const LocalHostOptions& options,
                                                            vmm::AccelerationVerdict& verdict,
                                                            const os::Context& context) {
  const auto choose = [&] {
    return engines.choose_current(engine::EngineStore::maker_for(system_qemu(options, verdict.acceleration), context),
                                  context);
  };
  auto chosen = choose();
  if (!chosen && is_up_to_trial(options.acceleration, verdict.acceleration)) {
    log::warning("there is no engine under KVM", {{"error", chosen.error().message()}});
    verdict = {vmm::Acceleration::kTcg, verdict.reason + ", but QEMU does not start under KVM"};
    chosen = choose();
  }
  return chosen;
}

// Removes what one rename published, by one rename: what is half removed is nothing.
Status remove_published(const fs::path& directory, faults::Step withdrawn) {
  const fs::path removed = directory.string() + ".tmp";
  DM_TRY(os::remove_tree(removed), "");
  if (Status renamed = os::rename_durably(directory, removed); !renamed && renamed.error().errno_value() != ENOENT) {
    return renamed;
  }
  DM_TRY(faults::reach(withdrawn, {directory.filename().native()}), "");
  return os::remove_tree(removed);
}

}  // namespace

std::string_view to_string(Isolation isolation) { return isolation == Isolation::kKvm ? "kvm" : "tcg"; }

LocalHost::LocalHost(LocalHostOptions options,
                     const snapshot::Platform& platform,
                     std::string acceleration_reason,
                     std::unique_ptr<engine::EngineStore> engines,
                     std::unique_ptr<network::EgressServer> egress,
                     managed_base::FileLock registration)
    : options_(std::move(options)),
      layout_(options_.data_directory),
      platform_(platform),
      acceleration_reason_(std::move(acceleration_reason)),
      engines_(std::move(engines)),
      bases_(options_.cache_directory),
      registration_(std::move(registration)),
      egress_(std::move(egress)),
      users_(options_.first_user, options_.users),
      templates_(bases_),
      guest_support_{launcher_of(options_), options_.data_directory, *egress_},
      kept_(limits_of_kept(options_.keep_suspended), care_of_processes(), clock_),
      not_ready_("the daemon is starting") {
  if (auto groups = os::CpuGroups::open()) {
    guest_support_.cpu_groups = *std::move(groups);
  } else {
    log::warning("VMs have no shares of the processors by their sizes: all virtual processors weigh the same",
                 {{"reason", groups.error().message()}});
  }
  watcher_ = std::make_unique<Watcher>(
      [this](const std::string& id, const VmExit& exit) {
        if (exit_handler_) {
          exit_handler_(id, exit);
        }
      },
      [this](const std::string& id, const OutputPiece& output) {
        if (output_handler_) {
          output_handler_(id, output);
        }
      },
      [this](const std::string& id) { return output_wanted_ ? output_wanted_(id) : std::nullopt; });
  vm_support_.reset(new VmSupport{
      guest_support_,
      templates_,
      users_,
      *watcher_,
      *engines_,
      platform_,
      disposal_,
      [this](std::uint64_t size_bytes, const os::Context& context) { return empty_overlay(size_bytes, context); },
      nullptr});
}

LocalHost::~LocalHost() {
  stop_.cancel();
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stopping_.notify_all();
  if (kept_review_.joinable()) {
    kept_review_.join();
  }
  if (preparation_.joinable()) {
    preparation_.join();
  }
}

Result<std::unique_ptr<LocalHost>> LocalHost::create(LocalHostOptions options, const os::Context& context) {
  DM_TRY(os::make_directories(options.data_directory), "");
  options.data_directory = fs::canonical(options.data_directory);
  DM_ASSIGN(vmm::AccelerationVerdict probed,
            vmm::choose_acceleration(options.acceleration, launcher_of(options), context),
            "");
  const auto known = known_of_kernel(options, probed.acceleration);
  vmm::AccelerationVerdict verdict = heed(std::move(probed), options.acceleration, known);
  auto engines = std::make_unique<engine::EngineStore>(snapshot::Layout(options.data_directory).engines());
  DM_ASSIGN(const std::shared_ptr<const engine::Engine> engine, choose_engine(*engines, options, verdict, context), "");
  snapshot::Platform platform;
  platform.acceleration = verdict.acceleration;
  platform.tsc_khz = vmm::measure_tsc_khz();
  DM_ASSIGN(platform.processor, os::read_processor_facts(), "");
  platform.agent_protocols = {protocol::kOldestVersion, protocol::kVersion};
  log::info("the host was probed",
            {{"isolation", std::string(vmm::to_string(platform.acceleration))},
             {"reason", verdict.reason},
             {"qemu", engine->qemu_version},
             {"engine", engine->digest},
             {"tsc_khz", std::to_string(platform.tsc_khz)}});
  network::EgressServer::Options egress_options;
  egress_options.policy = options.egress_policy;
  DM_ASSIGN(std::unique_ptr<network::EgressServer> egress,
            network::EgressServer::start(std::move(egress_options)),
            "start the egress relay");
  DM_ASSIGN(managed_base::FileLock registration,
            managed_base::ManagedBaseStore(options.cache_directory).register_user(options.data_directory, context),
            "");
  return std::unique_ptr<LocalHost>(new LocalHost(
      std::move(options), platform, verdict.reason, std::move(engines), std::move(egress), std::move(registration)));
}

void LocalHost::on_exit(ExitHandler handler) { exit_handler_ = std::move(handler); }
void LocalHost::on_output(OutputHandler handler, OutputWanted wanted) {
  output_handler_ = std::move(handler);
  output_wanted_ = std::move(wanted);
}

Isolation LocalHost::isolation() const {
  return platform_.acceleration == vmm::Acceleration::kKvm ? Isolation::kKvm : Isolation::kTcg;
}

std::optional<std::string> LocalHost::not_ready() const {
  const std::lock_guard lock(mutex_);
  return not_ready_;
}

std::string LocalHost::why_no_builds() const {
  const std::lock_guard lock(mutex_);
  return no_builds_ ? *no_builds_ : not_ready_.value_or("it is starting");
}

void LocalHost::set_not_ready(std::optional<std::string> reason) {
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
}

// --- images ---

tl::expected<BuildResult, BuildFailure> LocalHost::build(const BuildRequest& request,
                                                         BuildObserver& observer,
                                                         const os::Context& context) {
  BuildSupport* support = nullptr;
  {
    const std::lock_guard lock(mutex_);
    support = build_support_.get();
  }
  if (!support) {
    return tl::unexpected(
        BuildFailure{"INTERNAL_PLATFORM_ERROR", "This host is not ready: " + why_no_builds() + ".", std::nullopt});
  }
  ImageBuilder builder(*support, request, layout_.builds() / (request.build_id + ".work"), observer);
  auto built = builder.build(context);
  if (built) {
    warm_->expect(request.destination, request.egress, Stage::kSettled);
  }
  return built;
}

Status LocalHost::remove_snapshot(const fs::path& snapshot) {
  if (warm_) {
    warm_->forget(snapshot);
  }
  templates_.forget(snapshot);
  DM_TRY(remove_published(snapshot, "delete.withdrawn"), "");
  collect_engines();
  collect_bases(os::Context::with_timeout(kCollectTimeout));
  return {};
}

void LocalHost::collect_engines() {
  if (auto collected = engines_->collect([this] { return snapshot::named_engines(layout_); }); !collected) {
    log::warning("engines that may not be needed any more stay", {{"error", collected.error().message()}});
  }
}

void LocalHost::collect_bases(const os::Context& context) const {
  if (auto collected = bases_.collect(snapshot::named_bases, context); !collected) {
    log::warning("managed bases that may not be needed any more stay", {{"error", collected.error().message()}});
  }
}

Result<fs::path> LocalHost::empty_overlay(std::uint64_t size_bytes, const os::Context& context) {
  const std::lock_guard lock(overlay_mutex_);
  const fs::path path = layout_.prepared() / fmt::format("overlay-{}.qcow2", size_bytes);
  if (::access(path.c_str(), F_OK) == 0) {
    return path;
  }
  DM_TRY(os::make_directories(layout_.prepared()), "");
  const fs::path temporary = path.string() + ".tmp";
  DM_ASSIGN(const std::string ignored,
            os::run_for_output(
                {{"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", temporary.string(), std::to_string(size_bytes)},
                 plain_environment()},
                65'536,
                context),
            "make an empty overlay");
  DM_TRY(os::rename_durably(temporary, path), "");
  return path;
}

// --- VMs ---

std::shared_ptr<Vm> LocalHost::find(const std::string& microvm_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = vms_.find(microvm_id);
  return found == vms_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<Vm>> LocalHost::require(const std::string& microvm_id) const {
  std::shared_ptr<Vm> vm = find(microvm_id);
  if (!vm) {
    return fail(ErrorKind::kNotFound, microvm_id + " is not on this host");
  }
  return vm;
}

Result<std::shared_ptr<Guest>> LocalHost::running(const std::string& microvm_id) const {
  const std::shared_ptr<Vm> vm = find(microvm_id);
  std::shared_ptr<Guest> guest = vm ? vm->guest() : nullptr;
  if (!guest) {
    return fail(ErrorKind::kConflict, microvm_id + " does not run");
  }
  return guest;
}

// A clone's memory grows as it writes, up to its peak: it must fit the machine, and there must be room to begin with.
Status LocalHost::admit(const LaunchRequest& request) const {
  DM_ASSIGN(const snapshot::SnapshotManifest manifest, snapshot::read_snapshot(request.snapshot), "");
  if (cannot_hold(MachineSize{manifest.model.memory_mib, manifest.model.vcpus, 0})) {
    return fail(ErrorKind::kResourceExhausted,
                fmt::format("its peak of {} MiB does not fit the host's memory", manifest.model.memory_mib));
  }
  DM_ASSIGN(const os::MemoryFacts memory, os::read_memory_facts(), "");
  if (memory.available_bytes < kMemoryReserveBytes) {
    return fail(
        ErrorKind::kResourceExhausted,
        fmt::format("the host has {} MiB of memory left, and a launch must leave {} MiB: suspend or terminate VMs",
                    memory.available_bytes >> 20U,
                    kMemoryReserveBytes >> 20U));
  }
  return {};
}

std::optional<std::string> LocalHost::cannot_hold(const MachineSize& size) const {
  if (!options_.peaks_must_fit) {
    return std::nullopt;
  }
  const auto memory = os::read_memory_facts();
  const std::uint64_t peak = std::uint64_t{size.memory_mib} << 20U;
  if (!memory || peak + kMemoryReserveBytes <= memory->total_bytes) {
    return std::nullopt;
  }
  return fmt::format(
      "The MicroVM's peak of {} MiB does not fit this host's {} MiB of memory: use a smaller minimumMemoryInMiB, or "
      "start the daemon with --memory-budget none if the MicroVM will not use its peak.",
      peak >> 20U,
      memory->total_bytes >> 20U);
}

Result<LaunchResult> LocalHost::launch(const LaunchRequest& request, const os::Context& context) {
  DM_TRY(admit(request), "");
  auto vm = std::make_shared<Vm>(*vm_support_, request.microvm_id, layout_.microvm(request.microvm_id));
  {
    const std::lock_guard lock(mutex_);
    if (!vms_.emplace(request.microvm_id, vm).second) {
      return fail(ErrorKind::kConflict, request.microvm_id + " exists already");
    }
  }
  if (auto launched = vm->launch(request, context); !launched) {
    const std::lock_guard lock(mutex_);
    vms_.erase(request.microvm_id);
    return fail(std::move(launched).error());
  }
  return LaunchResult{isolation(), acceleration_reason_};
}

Result<SuspendResult> LocalHost::suspend(const std::string& microvm_id, const os::Context& context) {
  DM_ASSIGN(const std::shared_ptr<Vm> vm, require(microvm_id), "");
  return vm->suspend(context);
}

Status LocalHost::resume(const std::string& microvm_id, const os::Context& context) {
  const std::shared_ptr<Vm> vm = find(microvm_id);
  if (!vm) {
    return fail(ErrorKind::kDataLoss, microvm_id + " is not on this host");
  }
  return vm->resume(context);
}

Result<CheckpointResult> LocalHost::checkpoint(const CheckpointRequest& request, const os::Context& context) {
  DM_ASSIGN(const std::shared_ptr<Vm> vm, require(request.microvm_id), "");
  return vm->checkpoint(request, context);
}

Status LocalHost::rollback(const std::string& microvm_id, const fs::path& checkpoint, const os::Context& context) {
  DM_ASSIGN(const std::shared_ptr<Vm> vm, require(microvm_id), "");
  return vm->rollback(checkpoint, context);
}

Status LocalHost::remove_checkpoint(const fs::path& checkpoint) {
  DM_TRY(remove_published(checkpoint, "checkpoint.withdrawn"), "");
  collect_engines();
  return {};
}

Status LocalHost::terminate(const std::string& microvm_id) {
  const std::shared_ptr<Vm> vm = find(microvm_id);
  if (!vm) {
    return {};
  }
  DM_TRY(vm->terminate(), "");
  {
    const std::lock_guard lock(mutex_);
    vms_.erase(microvm_id);
  }
  collect_engines();
  return {};
}

Result<UniqueFd> LocalHost::dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) {
  DM_ASSIGN(const std::shared_ptr<Guest> guest, running(microvm_id), "dial");
  return guest->agent().connect(port, context);
}

Result<HookAnswer> LocalHost::call_hook(const std::string& microvm_id,
                                        const HookCall& call,
                                        const os::Context& context) {
  DM_ASSIGN(const std::shared_ptr<Guest> guest, running(microvm_id), "call " + call.path);
  DM_ASSIGN(const UniqueFd connection, guest->agent().connect(call.port, context), "call " + call.path);
  http_client::HttpRequest request;
  request.host = fmt::format("localhost:{}", call.port);
  request.path = call.path;
  request.body = call.body;
  if (!call.body.empty()) {
    request.content_type = "application/json";
  }
  DM_ASSIGN(const http_client::HttpAnswer answer,
            http_client::http_post(connection.get(), request, context),
            "call " + call.path);
  return HookAnswer{answer.status};
}

std::optional<int> LocalHost::vmm_process(const std::string& microvm_id) const {
  const std::shared_ptr<Vm> vm = find(microvm_id);
  return vm ? vm->process() : std::nullopt;
}

MemoryUse LocalHost::memory_use() const {
  std::vector<std::shared_ptr<Vm>> vms;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, vm] : vms_) {
      vms.push_back(vm);
    }
  }
  MemoryUse use;
  for (const auto& vm : vms) {
    const auto pid = vm->process();
    const auto memory = pid ? os::memory_of(*pid) : std::nullopt;
    if (memory) {
      use.private_bytes += memory->anonymous;
      ++use.vms;
    }
  }
  use.kept_bytes = kept_.figures().bytes;
  return use;
}

void LocalHost::review_kept() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    stopping_.wait_for(lock, kKeptReviewPeriod);
    lock.unlock();
    kept_.review();
    lock.lock();
  }
}

Host::KeptFigures LocalHost::kept_figures() const {
  const KeptProcesses::Figures figures = kept_.figures();
  return {figures.count, figures.hits};
}

Host::PoolFigures LocalHost::pool_figures() const {
  if (!warm_) {
    return {};
  }
  const WarmPool::Figures figures = warm_->figures();
  return {figures.stock, figures.started, figures.rehearsed, figures.hits, figures.misses};
}

// --- start ---

// Ends the processes that an earlier daemon on this data directory started and that no VM claims: builders, clones that
// were being validated, VMs that were being launched.
void LocalHost::kill_strays(const std::vector<int>& known) const {
  const std::string mark = "DORMOUSE_DATA_DIRECTORY=" + options_.data_directory.string();
  for (const int pid : numbers_in("/proc")) {
    if (std::find(known.begin(), known.end(), pid) != known.end()) {
      continue;
    }
    const auto environment = os::read_file("/proc/" + std::to_string(pid) + "/environ", 1U << 20U);
    const std::string end(1, '\0');
    if (!environment || (end + *environment + end).find(end + mark + end) == std::string::npos) {
      continue;
    }
    const auto start_time = os::start_time_of(pid);
    if (auto process = start_time ? os::Process::open(pid, *start_time)
                                  : Result<os::Process>(fail(ErrorKind::kNotFound, "gone"))) {
      log::warning("ending a process that an earlier daemon left", {{"pid", std::to_string(pid)}});
      process->kill(SIGKILL);
      (void)process->wait(os::Context::with_timeout(seconds(10)));
    }
  }
}

Result<std::vector<RecoveredVm>> LocalHost::recover(const os::Context& context) {
  DM_TRY(os::make_directories(layout_.microvms()), "");
  DM_TRY(os::sync_directory(layout_.root()), "");
  DM_ASSIGN(const std::vector<fs::path> directories, os::entries_of(layout_.microvms()), "");
  std::vector<std::shared_ptr<Vm>> vms;
  for (const fs::path& directory : directories) {
    vms.push_back(std::make_shared<Vm>(*vm_support_, directory.filename().string(), directory));
  }
  std::vector<RecoveredVm> found(vms.size());
  {
    // At once: a guest that does not answer costs its own time, not that of all others.
    os::WorkerPool workers({kRecoveriesAtOnce, vms.size()});
    for (std::size_t i = 0; i < vms.size(); ++i) {
      DM_TRY(workers.post([&, i] { found[i] = vms[i]->recover(context.within(kRecoveryTimeout)); }), "recover");
    }
    workers.stop();
  }
  std::vector<int> known;
  for (std::size_t i = 0; i < vms.size(); ++i) {
    if (found[i].state == RecoveredVm::State::kGone) {
      continue;
    }
    if (const auto pid = vms[i]->process()) {
      known.push_back(*pid);
    }
    const std::lock_guard lock(mutex_);
    vms_.emplace(found[i].microvm_id, std::move(vms[i]));
  }
  kill_strays(known);
  if (guest_support_.cpu_groups) {
    guest_support_.cpu_groups->sweep();  // they had groups
  }
  DM_ASSIGN(const std::vector<fs::path> builds, os::entries_of(layout_.builds()), "");
  for (const fs::path& build : builds) {
    if (build.extension() == ".work") {
      DM_TRY(os::remove_tree(build), "");
    }
  }
  DM_TRY(os::remove_tree(layout_.warm()), "");
  DM_TRY(os::make_directories(layout_.warm()), "");
  warm_ = std::make_unique<WarmPool>(*vm_support_, layout_.warm(), clock_);
  vm_support_->warm = warm_.get();
  vm_support_->kept = &kept_;
  if (options_.keep_suspended.count() > 0) {
    kept_review_ = std::thread([this] { review_kept(); });
  }
  preparation_ = std::thread([this] { prepare_base(); });
  return found;
}

}  // namespace dormouse::host
