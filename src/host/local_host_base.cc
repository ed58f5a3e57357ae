// SPDX-License-Identifier: Apache-2.0
//
// What guests boot from: the managed base is made, and its kernel tried, in the background after a start.

#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "hashing/digest.h"
#include "host/kernel_trial.h"
#include "host/local_host.h"
#include "os/host_facts.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kPreparationTimeout{30};
constexpr std::uint64_t kTrialDiskBytes = 64ULL << 20U;

// Turns the making of a base into a sentence that says how far it is.
class BaseProgress final : public managed_base::ProgressObserver {
 public:
  explicit BaseProgress(std::function<void(std::string)> report) : report_(std::move(report)) {}
  void step(std::string_view sentence, int number, int count) override {
    log::info("making the managed base",
              {{"step", fmt::format("{}/{}", number, count)}, {"what", std::string(sentence)}});
    report_(fmt::format("the managed base image is being made: step {} of {}, {}", number, count, sentence));
  }
  void log(std::string_view line) override { log::debug("managed base", {{"output", std::string(line)}}); }

 private:
  std::function<void(std::string)> report_;
};

}  // namespace

Result<std::optional<std::string>> LocalHost::try_kernel(const managed_base::ManagedBase& base,
                                                         const fs::path& initramfs,
                                                         const os::Context& context) {
  log::info("trying the base's kernel", {{"base", base.key}});
  set_not_ready("the kernel of the managed base image is tried under KVM");
  KernelTrial trial;
  trial.engine = engines_->current();
  trial.platform = platform_;
  trial.base = base;
  trial.initramfs = initramfs;
  DM_ASSIGN(trial.blank_disk, bases_.blank_disk(kTrialDiskBytes, context), "");
  trial.directory = layout_.builds() / "kernel-trial.work";  // an end without warning leaves it to recover()
  DM_ASSIGN(const UserPool::Lease user, users_.take(), "");
  trial.user = user.id();
  return host::try_kernel(guest_support_, trial, context);
}

bool LocalHost::kernel_boots(const managed_base::ManagedBase& base,
                             const fs::path& initramfs,
                             const os::Context& context) {
  const auto boot_id = os::boot_id();
  if (!boot_id || !is_up_to_trial(options_.acceleration, platform_.acceleration)) {
    return true;
  }
  std::optional<KernelVerdict> verdict = remembered_verdict(layout_.kernel_trial(), {*boot_id, base.key});
  bool start_again = false;
  if (!verdict) {
    const auto refusal = try_kernel(base, initramfs, context);
    if (!refusal) {
      log::warning("the base's kernel could not be tried: KVM is taken as it is",
                   {{"error", refusal.error().message()}});
      return true;
    }
    verdict = KernelVerdict{{*boot_id, base.key}, *refusal};
    const Status kept = write_verdict(layout_.kernel_trial(), *verdict);
    if (!kept) {
      log::warning("what came of trying the base's kernel is not kept", {{"error", kept.error().message()}});
    }
    // What is not kept, or was and yet is not heeded, would come again and again.
    start_again = kept && restart_handler_;
  }
  if (!verdict->refusal) {
    return true;
  }
  log::error("KVM does not boot the base's kernel", {{"base", base.key}, {"reason", *verdict->refusal}});
  const std::string reason = "KVM does not boot the kernel of the managed base image here: " + *verdict->refusal;
  if (has_kvm_images(layout_)) {
    const std::lock_guard lock(mutex_);
    no_builds_ =
        reason + "; images that were made under KVM go on, for new ones give the daemon a kernel that boots (--kernel)";
    not_ready_.reset();
    return false;
  }
  set_not_ready(reason + (start_again ? "; the daemon starts again and emulates guests"
                                      : "; start the daemon with --accel tcg, which emulates guests"));
  if (start_again) {
    restart_handler_();
  }
  return false;
}

void LocalHost::prepare_base() {
  const os::Context context(stop_, std::chrono::steady_clock::now() + kPreparationTimeout);
  BaseProgress progress([this](std::string sentence) { set_not_ready(std::move(sentence)); });
  const auto prepared = [&]() -> Status {
    managed_base::BuildOptions wanted;
    wanted.kernel = options_.kernel;
    managed_base::ManagedBaseStore store(options_.cache_directory);
    DM_ASSIGN(managed_base::ManagedBase base, store.ensure(wanted, progress, context), "");
    if (!base.notice.empty()) {
      log::warning("managed base", {{"notice", base.notice}});
    }
    DM_ASSIGN(fs::path initramfs, bases_.initramfs(base, options_.program_directory / "dormouse-agent"), "");
    // Known before the first launch wants to verify them.
    DM_TRY(templates_.base_checksums().of(base.root), "");
    DM_TRY(templates_.base_checksums().of(base.containers), "");
    DM_ASSIGN(std::string kernel_sha256, hashing::digest_of_file(base.kernel), "");
    // Before somebody wants to wake what stands on them.
    engines_->verify_all(context);
    collect_engines();
    collect_bases(context);
    if (!kernel_boots(base, initramfs, context)) {
      return {};  // not_ready() or why_no_builds() says what comes of it
    }
    auto support = std::unique_ptr<BuildSupport>(new BuildSupport{*vm_support_,
                                                                  bases_,
                                                                  std::move(base),
                                                                  std::move(initramfs),
                                                                  std::move(kernel_sha256),
                                                                  options_.substitute_base});
    const std::lock_guard lock(mutex_);
    build_support_ = std::move(support);
    not_ready_.reset();
    return {};
  }();
  if (!prepared && prepared.error().kind() != ErrorKind::kCancelled) {
    log::error("the managed base cannot be made", {{"error", prepared.error().message()}});
    set_not_ready("the managed base image cannot be made: " + prepared.error().message() +
                  "; see `dormouse doctor`, then restart the daemon");
  }
}

}  // namespace dormouse::host
