// SPDX-License-Identifier: Apache-2.0

#include "control/microvms.h"

#include <chrono>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "base/uuid.h"
#include "control/client_tokens.h"
#include "control/decoded_page.h"
#include "control/disk_budget.h"
#include "control/identifiers.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/lifecycle.h"
#include "control/log_destinations.h"
#include "control/microvms_implementation.h"
#include "control/network_connectors.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/sizes.h"
#include "control/timers.h"
#include "control/world.h"
#include "logs/log_writer.h"
#include "os/worker_pool.h"
#include "store/metadata_store.h"

namespace dormouse::control {

namespace {

constexpr const char* kOperation = "RunMicrovm";
constexpr std::chrono::seconds kSweepInterval{60};
constexpr std::size_t kSweepRowsMax = 1000;
constexpr std::chrono::seconds kReliefInterval{1};
constexpr std::size_t kEventThreads = 4;
// Each VM has at most one job in each pool, so this bounds the number of VMs that something happens to.
constexpr std::size_t kQueuedJobsMax = 1'000'000;

}  // namespace

tl::unexpected<ServiceError> microvm_not_found(const std::string& microvm_id) {
  return refuse(ServiceErrorKind::kResourceNotFound, fmt::format("MicroVM not found: {}", microvm_id));
}

Microvms::Implementation::Implementation(World& the_world, Images& the_images)
    : world(the_world),
      images(the_images),
      timers_(the_world.clock),
      events_({kEventThreads, kQueuedJobsMax}),
      arrivals_({the_world.microvm_workers, kQueuedJobsMax}),
      departures_({the_world.microvm_workers, kQueuedJobsMax}),
      memory_(the_world.host, the_world.memory_budget_bytes),
      services_{the_world,
                timers_,
                events_,
                arrivals_,
                departures_,
                memory_,
                [this](const Microvm& record) {
                  if (observer) {
                    observer(record);
                  }
                },
                [this](const Microvm& record) {
                  live->remove(record);
                  if (world.logs != nullptr) {
                    world.logs->close(record.microvm_id);
                  }
                }} {
  const auto put_one_to_sleep = [this] {
    const auto task = live->least_recently_used();
    if (task) {
      task->yield();
    }
    return task != nullptr;
  };
  memory_.on_shortage(put_one_to_sleep, [this] { return live->may_free_memory(); });
  world.host.on_exit([weak = std::weak_ptr(live)](const std::string& microvm_id, const host::VmExit& exit) {
    if (const auto tasks = weak.lock()) {
      if (const auto task = tasks->find(microvm_id)) {
        task->exited(exit);
      }
    }
  });
  world.host.on_output(
      [weak = std::weak_ptr(live), logs = world.logs](const std::string& id, const host::OutputPiece& output) {
        if (logs != nullptr && !output.of_image) {
          logs->write(id, {output.offset, output.lost, output.bytes});
        }
        if (const auto tasks = weak.lock()) {
          if (const auto task = tasks->find(id)) {
            task->output(output);
          }
        }
      },
      [logs = world.logs](const std::string& id) { return logs == nullptr ? std::nullopt : logs->wanted_from(id); });
}

Answer<std::optional<Microvm>> Microvms::Implementation::replay(const std::string& account,
                                                                const RunRequest& request,
                                                                const std::string& digest) {
  if (!request.client_token) {
    return std::nullopt;
  }
  const TokenUse use{account, kOperation, *request.client_token, digest};
  const auto token = find_token(world.metadata, use, world.clock.wall());
  if (!token) {
    return tl::unexpected(token.error());
  }
  if (!*token) {
    return std::nullopt;
  }
  return answer_of(decode_microvm_answer((*token)->document), "read a client token");
}

Answer<Microvms::Implementation::Rooms> Microvms::Implementation::admit_to_host(const host::MachineSize& size,
                                                                                int vms) {
  if (const auto reason = world.host.cannot_hold(size)) {
    return refuse(ServiceErrorKind::kInsufficientCapacity, *reason);
  }
  if (const auto reason = world.host.not_ready()) {
    return refuse(ServiceErrorKind::kInsufficientCapacity, fmt::format("No MicroVM can be launched now: {}", *reason));
  }
  auto rooms = memory_.admit(static_cast<std::uint64_t>(vms));
  if (!rooms) {
    return refuse(ServiceErrorKind::kInsufficientCapacity,
                  fmt::format("No MicroVM can be launched now: {}", rooms.error()));
  }
  auto disk = take_disk_room(world.disk, DiskBudget::Use::kLaunch, static_cast<std::uint64_t>(vms));
  if (!disk) {
    return refuse(ServiceErrorKind::kInsufficientCapacity,
                  fmt::format("No MicroVM can be launched now: {}", disk.error().message()));
  }
  return Rooms{*std::move(rooms), *std::move(disk)};
}

Microvm Microvms::Implementation::new_vm(const std::string& account,
                                         const std::string& image_arn,
                                         const std::string& version) const {
  Microvm record;
  record.account = account;
  record.microvm_id = "microvm-" + make_uuid();
  record.endpoint_id = make_uuid();
  record.endpoint = fmt::format("{}.lambda-microvm.{}.{}", record.endpoint_id, world.region, world.endpoint_domain);
  if (world.endpoint_port != 443) {
    record.endpoint += fmt::format(":{}", world.endpoint_port);
  }
  record.image_arn = image_arn;
  record.image_version = version;
  record.started_at = rounded(world.clock.wall());
  return record;
}

LaunchJob Microvms::Implementation::new_job(const Microvm& record,
                                            const Image& image,
                                            const std::optional<std::string>& run_hook_payload,
                                            MemoryBudget::RoomPointer memory,
                                            DiskBudget::RoomPointer disk) const {
  LaunchJob job;
  job.request.microvm_id = record.microvm_id;
  job.request.snapshot = snapshot_directory(world.data_directory, image.id, record.image_version);
  job.request.egress = egress_of(world, record.egress_network_connectors);
  job.hooks = record.hooks;
  job.run_hook_payload = run_hook_payload;
  job.parent_microvm_id = record.parent_microvm_id;
  job.room = std::move(memory);
  job.disk_room = std::move(disk);
  return job;
}

Answer<Microvm> Microvms::Implementation::new_record(const Caller& caller,
                                                     const RunRequest& request,
                                                     const ImageVersion& version) const {
  Microvm record = new_vm(caller.account, version.image_arn, version.version);
  record.memory_mib = memory_of(version.specification);
  record.maximum_duration_seconds = request.maximum_duration_seconds.value_or(record.maximum_duration_seconds);
  record.execution_role_arn = request.execution_role_arn;
  record.idle_policy = request.idle_policy;
  record.hooks = version.specification.hooks.value_or(Hooks());
  if (const auto destination = runtime_logs(record, request.logging)) {
    record.log_group = destination->group;
    record.log_stream = destination->stream;
  }
  if (request.run_hook_payload && !record.hooks.run.enabled) {
    return refuse(ServiceErrorKind::kValidation,
                  "The run hook must be enabled in the MicroVM image to pass the run hook payload");
  }
  record.ingress_network_connectors = request.ingress_network_connectors.value_or(std::vector<std::string>());
  if (record.ingress_network_connectors.empty()) {
    record.ingress_network_connectors = {managed_connector_arn(world.region, "HTTP_INGRESS")};
  }
  record.egress_network_connectors = request.egress_network_connectors.value_or(std::vector<std::string>());
  if (record.egress_network_connectors.empty()) {
    record.egress_network_connectors =
        version.specification.egress_network_connectors.value_or(std::vector<std::string>());
  }
  auto checked = check_connectors(caller, record.ingress_network_connectors, Direction::kIngress);
  if (checked) {
    checked = check_connectors(caller, record.egress_network_connectors, Direction::kEgress);
  }
  if (checked) {
    checked = check_customer_connectors(world, caller, record.egress_network_connectors);
  }
  if (!checked) {
    return tl::unexpected(checked.error());
  }
  return record;
}

Answer<Microvm> Microvms::Implementation::run(const std::string& account,
                                              const RunRequest& request,
                                              const std::string& digest) {
  const Caller caller{account, world.region, world.image_names};
  const auto arn = accept_image_identifier(caller, request.image_identifier, ImageOperation::kRunMicrovm);
  if (!arn) {
    return tl::unexpected(arn.error());
  }
  if (auto replayed = replay(account, request, digest); !replayed || *replayed) {
    return std::move(replayed).map([](std::optional<Microvm> microvm) { return *std::move(microvm); });
  }
  const auto version = images.launchable(account, *arn, request.image_version);
  if (!version) {
    return tl::unexpected(version.error());
  }
  const auto image = images.get(account, *arn);
  if (!image) {
    return nothing_active(*arn, request.image_version);
  }
  auto record = new_record(caller, request, *version);
  if (!record) {
    return record;
  }
  const auto rooms = admit_to_host(size_of(version->specification), 1);
  if (!rooms) {
    return tl::unexpected(rooms.error());
  }

  store::Changes changes;
  changes.image_in = {*arn, {"CREATED", "UPDATING", "UPDATED", "UPDATE_FAILED"}};
  changes.version_active = store::VersionKey{*arn, version->version};
  changes.microvms.push_back(encode(*record));
  if (request.client_token) {
    const TokenUse use{account, kOperation, *request.client_token, digest};
    changes.tokens.push_back(token_row(use, record->microvm_id, encode_answer(*record), world.clock.wall()));
  }
  // The task is there before the record, so that whoever sees the record can change it.
  const auto task = MicrovmTask::create(services_, *record);
  if (const auto admitted = admit_to_account(task, *record); !admitted) {
    return tl::unexpected(admitted.error());
  }
  if (const Status stored = world.metadata.apply(changes); !stored) {
    live->remove(*record);
    if (stored.error().kind() != ErrorKind::kConflict) {
      return refuse_internally("store a microvm", stored.error());
    }
    // The same request came twice at once, or the image or its version was taken away meanwhile.
    if (auto replayed = replay(account, request, digest); !replayed || *replayed) {
      return std::move(replayed).map([](std::optional<Microvm> microvm) { return *std::move(microvm); });
    }
    return nothing_active(*arn, request.image_version);
  }
  services_.changed(*record);
  open_logs(*record);
  LaunchJob job = new_job(*record, *image, request.run_hook_payload, rooms->memory.front(), rooms->disk);
  job.trace = task->begin_launch(request.cause);
  task->launch(std::move(job));
  return record;
}

// Makes the task known, within the account's quota.
Answer<void> Microvms::Implementation::admit_to_account(const std::shared_ptr<MicrovmTask>& task,
                                                        const Microvm& record) const {
  const auto memory_mib_max = world.quotas.of(record.account).memory_mib;
  const auto used = live->add(task, memory_mib_max);
  if (!used) {
    return {};
  }
  return refuse(ServiceErrorKind::kServiceQuotaExceeded,
                fmt::format("The base maximum allocated memory limit has been reached for this account. Its MicroVMs "
                            "have {} MiB, this one needs {} MiB, {} MiB are allowed. Terminate some. {}",
                            *used,
                            record.memory_mib,
                            *memory_mib_max,
                            how_to_raise(record.account, "memory-mib")));
}

void Microvms::Implementation::open_logs(const Microvm& record) {
  if (world.logs != nullptr && record.log_group) {
    world.logs->open(record.microvm_id, {record.account, *record.log_group, *record.log_stream});
  }
}

Answer<Microvm> Microvms::Implementation::find(const std::string& account, const std::string& microvm_id) const {
  if (const auto task = live->find(microvm_id)) {
    Microvm record = task->published();
    if (record.account != account) {
      return microvm_not_found(microvm_id);
    }
    return record;
  }
  const auto row = world.metadata.microvm(microvm_id);
  if (!row) {
    return refuse_internally("read a microvm", row.error());
  }
  if (!*row || (*row)->account != account) {
    return microvm_not_found(microvm_id);
  }
  return answer_of(decode(**row), "read a microvm");
}

Answer<void> Microvms::Implementation::change(const std::string& account,
                                              const std::string& microvm_id,
                                              Answer<void> (MicrovmTask::*action)(const tracing::Cause&),
                                              bool accept_ended,
                                              const tracing::Cause& cause) {
  const auto record = find(account, microvm_id);
  if (!record) {
    return tl::unexpected(record.error());
  }
  if (const auto task = live->find(microvm_id)) {
    return (*task.*action)(cause);
  }
  if (accept_ended) {
    return {};
  }
  return refuse_ended(microvm_id);
}

void Microvms::Implementation::start(const std::vector<host::RecoveredVm>& found) {
  std::unordered_map<std::string, host::RecoveredVm> at_host;
  for (const host::RecoveredVm& vm : found) {
    at_host.emplace(vm.microvm_id, vm);
  }
  const auto rows = world.metadata.live_microvms();
  if (!rows) {
    // Without the records nothing may be touched: what the host holds could belong to one of them.
    log::error("the records of microvms cannot be read", {{"error", rows.error().message()}});
    return;
  }
  std::vector<std::pair<std::shared_ptr<MicrovmTask>, host::RecoveredVm>> adopted;
  for (const store::MicrovmRow& row : *rows) {
    const auto node = at_host.extract(row.microvm_id);
    auto record = decode(row);
    if (!record) {
      log::error("a microvm's record cannot be read",
                 {{"microvm", row.microvm_id}, {"error", record.error().message()}});
      continue;
    }
    auto vm = node ? node.mapped()
                   : host::RecoveredVm{row.microvm_id, host::RecoveredVm::State::kGone, "the host knows nothing of it"};
    const auto task = MicrovmTask::create(services_, *std::move(record));
    live->add(task);
    adopted.emplace_back(task, std::move(vm));
  }
  for (const auto& [task, vm] : adopted) {
    task->adopt(vm.state, vm.reason);
  }
  for (const auto& [microvm_id, vm] : at_host) {
    log::warning("a microvm without a record is ended", {{"microvm", microvm_id}});
    if (const Status ended = world.host.terminate(microvm_id); !ended) {
      log::error("a microvm could not be ended", {{"microvm", microvm_id}, {"error", ended.error().message()}});
    }
  }
  if (world.logs != nullptr) {
    std::set<std::string> living;
    for (const auto& [task, vm] : adopted) {
      living.insert(vm.microvm_id);
    }
    world.logs->close_others("microvm-", living);
  }
  plan_sweep();
  plan_relief();
  plan_disk_count();
}

void Microvms::Implementation::plan_sweep() {
  timers_.at(world.clock.steady() + kSweepInterval, [this] {
    if (!departures_.post([this] { sweep(); })) {
      log::debug("the sweep of ended microvms is left out");
    }
  });
}

void Microvms::Implementation::plan_relief() {
  if (!world.memory_budget_bytes) {
    return;
  }
  timers_.at(world.clock.steady() + kReliefInterval, [this] {
    const Status posted = departures_.post([this] {
      memory_.relieve();
      plan_relief();
    });
    if (!posted) {
      log::debug("the look at the VMs' memory is left out");
    }
  });
}

void Microvms::Implementation::plan_disk_count() {
  if (world.disk == nullptr) {
    return;
  }
  timers_.at(world.clock.steady() + DiskBudget::kCountInterval, [this] {
    const Status posted = departures_.post([this] {
      world.disk->count();
      plan_disk_count();
    });
    if (!posted) {
      log::debug("the look at the disk is left out");
    }
  });
}

// Forgets VMs that ended long ago and tokens that expired.
void Microvms::Implementation::sweep() {
  const WallTime now = world.clock.wall();
  const auto removed = world.metadata.remove_terminated_before(now - world.terminated_retention, kSweepRowsMax);
  const auto expired = world.metadata.remove_tokens_expired_before(now, kSweepRowsMax);
  if (!removed || !expired) {
    log::error("ended microvms could not be swept",
               {{"error", !removed ? removed.error().message() : expired.error().message()}});
  }
  plan_sweep();
}

void Microvms::Implementation::stop() {
  timers_.stop();
  arrivals_.stop();  // their outcomes are events
  departures_.stop();
  events_.stop();
  live->clear();
}

Microvms::Microvms(World& world, Images& images) : implementation_(std::make_unique<Implementation>(world, images)) {}
Microvms::~Microvms() { stop(); }

Answer<Microvm> Microvms::run(const std::string& account,
                              const RunRequest& request,
                              const std::string& request_digest) {
  return implementation_->run(account, request, request_digest);
}

Answer<Microvm> Microvms::get(const std::string& account, const std::string& microvm_id) const {
  return implementation_->find(account, microvm_id);
}

Answer<Page<Microvm>> Microvms::list(const std::string& account,
                                     const Filter& filter,
                                     std::size_t limit,
                                     const std::optional<std::string>& after) const {
  store::MetadataStore::MicrovmFilter by;
  if (filter.image_identifier) {
    const World& world = implementation_->world;
    auto arn = accept_image_identifier({account, world.region, world.image_names}, *filter.image_identifier);
    if (!arn) {
      return tl::unexpected(arn.error());
    }
    by.image_arn = *std::move(arn);
  }
  if (filter.image_version) {
    by.image_version = normalized_version(*filter.image_version);
  }
  return decoded_page(implementation_->world.metadata.list_microvms(account, by, {limit, after}), "list microvms");
}

Answer<void> Microvms::suspend(const std::string& account, const std::string& microvm_id, const tracing::Cause& cause) {
  return implementation_->change(account, microvm_id, &MicrovmTask::suspend, false, cause);
}

Answer<void> Microvms::resume(const std::string& account, const std::string& microvm_id, const tracing::Cause& cause) {
  return implementation_->change(account, microvm_id, &MicrovmTask::resume, false, cause);
}

Answer<void> Microvms::terminate(const std::string& account,
                                 const std::string& microvm_id,
                                 const tracing::Cause& cause) {
  return implementation_->change(account, microvm_id, &MicrovmTask::terminate, true, cause);
}

std::uint64_t Microvms::memory_mib(const std::string& account) const {
  return implementation_->live->memory_mib(account);
}

Answer<std::string> Microvms::output(const std::string& account, const std::string& microvm_id) const {
  const auto record = implementation_->find(account, microvm_id);
  if (!record) {
    return tl::unexpected(record.error());
  }
  const auto task = implementation_->live->find(microvm_id);
  if (task && record->state != MicrovmState::kTerminated) {
    return task->last_output();
  }
  return record->last_output.empty() && record->exit ? record->exit->last_output : record->last_output;
}

std::optional<Microvm> Microvms::find_endpoint(std::string_view endpoint_id) const {
  if (const auto task = implementation_->live->find_endpoint(std::string(endpoint_id))) {
    return task->published();
  }
  const auto row = implementation_->world.metadata.microvm_by_endpoint(endpoint_id);
  if (!row || !*row) {
    return std::nullopt;
  }
  auto record = decode(**row);
  return record ? std::optional(*std::move(record)) : std::nullopt;
}

void Microvms::acquire(const std::string& microvm_id,
                       std::function<void()> revoked,
                       LeaseHandler handler,
                       const tracing::Cause& cause) {
  const auto task = implementation_->live->find(microvm_id);
  if (!task) {
    handler(tl::unexpected(EndpointRefusal::kTerminated));  // its endpoint was found, so there was such a VM
    return;
  }
  if (!allows_http(task->published().ingress_network_connectors)) {
    handler(tl::unexpected(EndpointRefusal::kNoIngress));
    return;
  }
  task->acquire(std::move(revoked), std::move(handler), cause);
}

Result<UniqueFd> Microvms::dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) {
  if (!implementation_->live->find(microvm_id)) {
    return fail(ErrorKind::kNotFound, fmt::format("dial {}: there is no such microvm", microvm_id));
  }
  return implementation_->world.host.dial(microvm_id, port, context);
}

void Microvms::on_change(std::function<void(const Microvm&)> observer) {
  implementation_->observer = std::move(observer);
}

void Microvms::start(const std::vector<host::RecoveredVm>& found) { implementation_->start(found); }

void Microvms::stop() { implementation_->stop(); }

}  // namespace dormouse::control
