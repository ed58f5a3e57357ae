// SPDX-License-Identifier: Apache-2.0

#include "support/fake_host.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/core.h>

#include "os/file.h"

namespace dormouse::test {

namespace {

constexpr std::chrono::milliseconds kLook{2};  // how often a held call looks whether it was cancelled
constexpr std::chrono::seconds kPatience{10};

}  // namespace

// Marks a VM as busy with a call that must not overlap another one.
class FakeHost::Exclusive {
 public:
  Exclusive(FakeHost& host, const std::string& microvm_id, std::string doing) : host_(host), microvm_id_(microvm_id) {
    const std::lock_guard lock(host_.mutex_);
    const auto [other, free] = host_.busy_.emplace(microvm_id, doing);
    if (!free) {
      host_.broken_rules_.push_back(fmt::format("{} during {} of {}", doing, other->second, microvm_id));
    }
  }
  ~Exclusive() {
    const std::lock_guard lock(host_.mutex_);
    host_.busy_.erase(microvm_id_);
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  FakeHost& host_;
  const std::string microvm_id_;
};

void FakeHost::fail_next(Call call, ErrorKind kind, int times) {
  const std::lock_guard lock(mutex_);
  failures_[call].insert(failures_[call].end(), static_cast<std::size_t>(times), kind);
}

void FakeHost::fail_next_build(host::BuildFailure failure) {
  const std::lock_guard lock(mutex_);
  build_failures_.push_back(std::move(failure));
}

void FakeHost::hold(Call call) {
  const std::lock_guard lock(mutex_);
  held_.insert(call);
}

void FakeHost::release(Call call) {
  const std::lock_guard lock(mutex_);
  held_.erase(call);
  changed_.notify_all();
}

void FakeHost::answer_hooks(const std::string& name, int status) {
  const std::lock_guard lock(mutex_);
  hook_failures_.erase(name);
  hook_statuses_[name] = status;
}

void FakeHost::fail_hooks(const std::string& name, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  hook_failures_[name] = kind;
}

void FakeHost::set_build_output(std::string text) {
  const std::lock_guard lock(mutex_);
  build_output_ = std::move(text);
}

void FakeHost::set_not_ready(std::optional<std::string> reason) {
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
}

void FakeHost::set_cannot_hold(std::optional<std::string> reason) {
  const std::lock_guard lock(mutex_);
  cannot_hold_ = std::move(reason);
}

void FakeHost::put(const std::string& microvm_id, bool running) {
  const std::lock_guard lock(mutex_);
  vms_[microvm_id] = running;
}

void FakeHost::end(const std::string& microvm_id, const host::VmExit& exit) {
  host::ExitHandler handler;
  {
    const std::lock_guard lock(mutex_);
    handler = on_exit_;
  }
  handler(microvm_id, exit);
}

void FakeHost::print(const std::string& microvm_id, std::string_view output) {
  host::OutputHandler handler;
  std::uint64_t offset = 0;
  {
    const std::lock_guard lock(mutex_);
    handler = on_output_;
    std::string& all = outputs_[microvm_id];
    offset = all.size();
    all += output;
  }
  handler(microvm_id, {offset, 0, output, false});
}

void FakeHost::tell_again(const std::string& microvm_id) {
  host::OutputHandler handler;
  host::OutputWanted wanted;
  std::string all;
  {
    const std::lock_guard lock(mutex_);
    handler = on_output_;
    wanted = output_wanted_;
    all = outputs_[microvm_id];
  }
  const std::uint64_t from = wanted(microvm_id).value_or(0);
  handler(microvm_id, {from, 0, std::string_view(all).substr(from), false});
}

bool FakeHost::wait_for(Call call, int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return counts_[call] >= count; });
}

int FakeHost::count(Call call) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(call);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<host::HookCall> FakeHost::hook_calls() const {
  const std::lock_guard lock(mutex_);
  return hook_calls_;
}
std::vector<host::BuildRequest> FakeHost::builds() const {
  const std::lock_guard lock(mutex_);
  return builds_;
}
std::vector<host::LaunchRequest> FakeHost::launches() const {
  const std::lock_guard lock(mutex_);
  return launches_;
}
std::vector<std::filesystem::path> FakeHost::removed_snapshots() const {
  const std::lock_guard lock(mutex_);
  return removed_snapshots_;
}
std::vector<host::CheckpointRequest> FakeHost::checkpoints() const {
  const std::lock_guard lock(mutex_);
  return checkpoints_;
}
std::vector<std::filesystem::path> FakeHost::rollbacks() const {
  const std::lock_guard lock(mutex_);
  return rollbacks_;
}
std::vector<std::string> FakeHost::broken_rules() const {
  const std::lock_guard lock(mutex_);
  return broken_rules_;
}
std::set<std::string> FakeHost::vms() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> ids;
  for (const auto& [id, running] : vms_) {
    ids.insert(id);
  }
  return ids;
}

Status FakeHost::begin(Call call, const os::Context* context, std::string_view doing) {
  std::unique_lock lock(mutex_);
  ++counts_[call];
  changed_.notify_all();
  while (held_.contains(call)) {
    changed_.wait_for(lock, kLook);
    if (context != nullptr) {
      if (Status status = context->check(doing); !status) {
        return status;
      }
    }
  }
  auto& failures = failures_[call];
  if (!failures.empty()) {
    const ErrorKind kind = failures.front();
    failures.pop_front();
    return fail(kind, fmt::format("{}: scripted to fail", doing));
  }
  return {};
}

Status FakeHost::expect_state(const std::string& microvm_id, bool running, std::string_view doing) {
  const std::lock_guard lock(mutex_);
  const auto found = vms_.find(microvm_id);
  if (found == vms_.end() || found->second != running) {
    broken_rules_.push_back(
        fmt::format("{} of {}, which {}", doing, microvm_id, running ? "does not run" : "is not suspended"));
    return fail(ErrorKind::kInternal, "wrong state");
  }
  return {};
}

tl::expected<host::BuildResult, host::BuildFailure> FakeHost::build(const host::BuildRequest& request,
                                                                    host::BuildObserver& observer,
                                                                    const os::Context& context) {
  std::string output;
  {
    const std::lock_guard lock(mutex_);
    builds_.push_back(request);
    output = build_output_;
  }
  observer.phase("container");
  observer.log(output);
  if (const Status status = begin(Call::kBuild, &context, "build"); !status) {
    return tl::unexpected(host::BuildFailure{"INTERNAL_PLATFORM_ERROR", status.error().message(), std::nullopt});
  }
  {
    const std::lock_guard lock(mutex_);
    if (!build_failures_.empty()) {
      const host::BuildFailure failure = build_failures_.front();
      build_failures_.pop_front();
      return tl::unexpected(failure);
    }
  }
  host::BuildResult result;
  result.memory_snapshot_bytes = 100;
  result.code_install_bytes = 20;
  result.disk_snapshot_bytes = 3;
  return result;
}

Result<host::LaunchResult> FakeHost::launch(const host::LaunchRequest& request, const os::Context& context) {
  const Exclusive exclusive(*this, request.microvm_id, "launch");
  {
    const std::lock_guard lock(mutex_);
    launches_.push_back(request);
    if (vms_.contains(request.microvm_id)) {
      broken_rules_.push_back("launch of " + request.microvm_id + ", which is there");
    }
  }
  DM_TRY(begin(Call::kLaunch, &context, "launch"), "");
  const std::lock_guard lock(mutex_);
  vms_[request.microvm_id] = true;
  return host::LaunchResult{host::Isolation::kTcg, "this host is a fake"};
}

Result<host::SuspendResult> FakeHost::suspend(const std::string& microvm_id, const os::Context& context) {
  const Exclusive exclusive(*this, microvm_id, "suspend");
  DM_TRY(expect_state(microvm_id, true, "suspend"), "");
  DM_TRY(begin(Call::kSuspend, &context, "suspend"), "");
  const std::lock_guard lock(mutex_);
  vms_[microvm_id] = false;
  return host::SuspendResult{4096};
}

Status FakeHost::resume(const std::string& microvm_id, const os::Context& context) {
  const Exclusive exclusive(*this, microvm_id, "resume");
  DM_TRY(expect_state(microvm_id, false, "resume"), "");
  DM_TRY(begin(Call::kResume, &context, "resume"), "");
  const std::lock_guard lock(mutex_);
  vms_[microvm_id] = true;
  return {};
}

Result<host::CheckpointResult> FakeHost::checkpoint(const host::CheckpointRequest& request,
                                                    const os::Context& context) {
  const Exclusive exclusive(*this, request.microvm_id, "checkpoint");
  {
    const std::lock_guard lock(mutex_);
    checkpoints_.push_back(request);
    if (!vms_.contains(request.microvm_id)) {
      broken_rules_.push_back("checkpoint of " + request.microvm_id + ", which is not there");
    }
  }
  DM_TRY(begin(Call::kCheckpoint, &context, "checkpoint"), "");
  DM_TRY(os::make_directories(request.destination), "");
  DM_TRY(
      os::publish_file(request.destination / host::kCheckpointRecord, request.record, 0600, os::Durability::kVolatile),
      "");
  return host::CheckpointResult{4096, std::chrono::microseconds(7)};
}

Status FakeHost::rollback(const std::string& microvm_id,
                          const std::filesystem::path& checkpoint,
                          const os::Context& context) {
  const Exclusive exclusive(*this, microvm_id, "rollback");
  DM_TRY(begin(Call::kRollback, &context, "rollback"), "");
  const std::lock_guard lock(mutex_);
  rollbacks_.push_back(checkpoint);
  const auto found = vms_.find(microvm_id);
  if (found == vms_.end()) {
    broken_rules_.push_back("rollback of " + microvm_id + ", which is not there");
    return fail(ErrorKind::kInternal, "wrong state");
  }
  found->second = false;
  return {};
}

Status FakeHost::remove_checkpoint(const std::filesystem::path& checkpoint) {
  DM_TRY(begin(Call::kRemoveCheckpoint, nullptr, "remove checkpoint"), "");
  return os::remove_tree(checkpoint);
}

Status FakeHost::terminate(const std::string& microvm_id) {
  const Exclusive exclusive(*this, microvm_id, "terminate");  // stricter than the host: control promises it
  DM_TRY(begin(Call::kTerminate, nullptr, "terminate"), "");
  const std::lock_guard lock(mutex_);
  vms_.erase(microvm_id);
  return {};
}

Result<UniqueFd> FakeHost::dial(const std::string& microvm_id, std::uint16_t port, const os::Context& context) {
  DM_TRY(begin(Call::kDial, &context, "dial"), "");
  return fail(ErrorKind::kUnavailable, fmt::format("dial {} port {}: nobody listens", microvm_id, port));
}

Result<host::HookAnswer> FakeHost::call_hook(const std::string& microvm_id,
                                             const host::HookCall& call,
                                             const os::Context& context) {
  const std::string name = call.path.substr(call.path.rfind('/') + 1);
  {
    const std::lock_guard lock(mutex_);
    hook_calls_.push_back(call);
    const auto vm = vms_.find(microvm_id);
    if (vm == vms_.end() || !vm->second) {
      broken_rules_.push_back("hook " + name + " of " + microvm_id + ", which does not run");
    }
  }
  DM_TRY(begin(Call::kHook, &context, "hook"), "");
  const std::lock_guard lock(mutex_);
  if (const auto failure = hook_failures_.find(name); failure != hook_failures_.end()) {
    return fail(failure->second, "hook: scripted to fail");
  }
  const auto status = hook_statuses_.find(name);
  return host::HookAnswer{status == hook_statuses_.end() ? 200 : status->second};
}

Result<std::vector<host::RecoveredVm>> FakeHost::recover(const os::Context& context) {
  DM_TRY(context.check("recover"), "");
  const std::lock_guard lock(mutex_);
  std::vector<host::RecoveredVm> found;
  for (const auto& [id, running] : vms_) {
    found.push_back({id, running ? host::RecoveredVm::State::kRunning : host::RecoveredVm::State::kSuspended, ""});
  }
  return found;
}

host::Foundations FakeHost::foundations(const std::filesystem::path& directory) const {
  const std::lock_guard lock(mutex_);
  const auto found = foundations_.find(directory);
  return found == foundations_.end() ? host::Foundations() : found->second;
}

void FakeHost::stands_on(const std::filesystem::path& directory, host::Foundations foundations) {
  const std::lock_guard lock(mutex_);
  foundations_[directory] = std::move(foundations);
}

Status FakeHost::remove_snapshot(const std::filesystem::path& snapshot) {
  DM_TRY(begin(Call::kRemoveSnapshot, nullptr, "remove snapshot"), "");
  const std::lock_guard lock(mutex_);
  removed_snapshots_.push_back(snapshot);
  return {};
}

std::optional<int> FakeHost::vmm_process(const std::string& /*microvm_id*/) const { return std::nullopt; }

void FakeHost::set_private_bytes(std::uint64_t of_each) {
  const std::lock_guard lock(mutex_);
  private_bytes_ = of_each;
}

host::MemoryUse FakeHost::memory_use() const {
  const std::lock_guard lock(mutex_);
  host::MemoryUse use;
  for (const auto& [id, runs] : vms_) {
    use.vms += runs ? 1 : 0;
  }
  use.private_bytes = use.vms * private_bytes_;
  use.kept_bytes = kept_bytes_;
  return use;
}

void FakeHost::set_kept_bytes(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  kept_bytes_ = bytes;
}

std::uint64_t FakeHost::release_kept(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t released = std::min(bytes, kept_bytes_);
  kept_bytes_ -= released;
  return released;
}

std::optional<std::string> FakeHost::not_ready() const {
  const std::lock_guard lock(mutex_);
  return not_ready_;
}

std::optional<std::string> FakeHost::cannot_hold(const host::MachineSize& /*size*/) const {
  const std::lock_guard lock(mutex_);
  return cannot_hold_;
}

void FakeHost::on_exit(host::ExitHandler handler) {
  const std::lock_guard lock(mutex_);
  on_exit_ = std::move(handler);
}

void FakeHost::on_output(host::OutputHandler handler, host::OutputWanted wanted) {
  const std::lock_guard lock(mutex_);
  on_output_ = std::move(handler);
  output_wanted_ = std::move(wanted);
}

}  // namespace dormouse::test
