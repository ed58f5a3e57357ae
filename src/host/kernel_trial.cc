// SPDX-License-Identifier: Apache-2.0

#include "host/kernel_trial.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/scope_exit.h"
#include "host/guest_boot.h"
#include "os/command.h"
#include "os/file.h"
#include "os/sparse_copy.h"
#include "snapshot/foundations.h"
#include "vmm/vmm.h"

namespace dormouse::host {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kRecordBytesMax = 64U << 10U;
constexpr std::size_t kSaidBytesMax = 200;
constexpr std::size_t kKeyDigits = 12;  // of a base's key, for readers
constexpr std::uint32_t kMemoryMib = 256;

// The end of what QEMU had to say, for a sentence that is kept as JSON.
std::string said_by_qemu(const fs::path& directory) {
  std::string said = os::last_lines(vmm::Vmm::messages(directory), 2).substr(0, kSaidBytesMax);
  std::replace_if(said.begin(), said.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return said.empty() ? said : fmt::format(" (QEMU said: {})", said);
}

Result<std::unique_ptr<Guest>> boot(GuestSupport& support, const KernelTrial& trial, const os::Context& context) {
  const fs::path disk = trial.directory / "disk";
  DM_TRY(os::make_directories(trial.directory), "");
  DM_TRY(os::copy_sparsely(trial.blank_disk, disk, context), "");
  BootRequest request;
  request.name = "kernel-trial";
  request.directory = trial.directory;
  request.role = "application";
  request.engine = trial.engine;
  request.model = new_machine(trial.platform, kMemoryMib, 1, {"root", "containers", "application"});
  request.disks = {trial.base.root, trial.base.containers, disk};
  DM_ASSIGN(request.memory, anonymous_memory(kMemoryMib, trial.user), "");
  request.user = trial.user;
  request.kernel = trial.base.kernel;
  request.initramfs = trial.initramfs;
  request.any_timer = true;
  return boot_guest(support, std::move(request), trial.timeout, context);
}

}  // namespace

std::string encode(const KernelVerdict& verdict) {
  json::object object{{"format", KernelVerdict::kFormat},
                      {"boot_id", verdict.subject.boot_id},
                      {"base", verdict.subject.base_key},
                      {"refusal", nullptr}};
  if (verdict.refusal) {
    object["refusal"] = *verdict.refusal;
  }
  return json::serialize(object) + "\n";
}

Result<KernelVerdict> decode_kernel_verdict(const std::string& text) {
  try {
    const json::value value = json::parse(text);
    const json::object& object = value.as_object();
    if (object.at("format").to_number<int>() != KernelVerdict::kFormat) {
      throw std::runtime_error(fmt::format("this version reads format {}", KernelVerdict::kFormat));
    }
    KernelVerdict verdict;
    verdict.subject.boot_id = json::value_to<std::string>(object.at("boot_id"));
    verdict.subject.base_key = json::value_to<std::string>(object.at("base"));
    if (const json::value& refusal = object.at("refusal"); !refusal.is_null()) {
      verdict.refusal = json::value_to<std::string>(refusal);
    }
    return verdict;
  } catch (const std::exception& error) {
    return fail(ErrorKind::kDataLoss, std::string("kernel-trial.json: ") + error.what());
  }
}

Status write_verdict(const fs::path& file, const KernelVerdict& verdict) {
  return os::publish_file(file, encode(verdict), 0600, os::Durability::kDurable);
}

std::optional<KernelVerdict> remembered_verdict(const fs::path& file, const TrialSubject& subject) {
  const auto text = os::read_file(file, kRecordBytesMax);
  auto verdict = text ? decode_kernel_verdict(*text) : Result<KernelVerdict>(fail(Error(text.error())));
  if (!verdict) {
    if (verdict.error().errno_value() != ENOENT) {
      log::warning("what came of trying the base's kernel is not known any more",
                   {{"error", verdict.error().message()}});
    }
    return std::nullopt;
  }
  return verdict->subject == subject ? std::optional(*std::move(verdict)) : std::nullopt;
}

bool has_kvm_images(const snapshot::Layout& layout) {
  const auto snapshots = snapshot::snapshots_in(layout);
  return snapshots && std::ranges::any_of(*snapshots, [](const fs::path& directory) {
           const auto manifest = snapshot::read_snapshot(directory);
           return manifest && manifest->model.acceleration == vmm::Acceleration::kKvm;
         });
}

bool is_up_to_trial(const std::string& wanted, vmm::Acceleration acceleration) {
  return wanted == "auto" && acceleration == vmm::Acceleration::kKvm;
}

vmm::AccelerationVerdict heed(vmm::AccelerationVerdict probed,
                              const std::string& wanted,
                              const std::optional<KernelVerdict>& known) {
  if (!is_up_to_trial(wanted, probed.acceleration) || !known || !known->refusal) {
    return probed;
  }
  return {vmm::Acceleration::kTcg,
          fmt::format("{}, but does not boot the kernel of the base {}: {}",
                      probed.reason,
                      known->subject.base_key.substr(0, kKeyDigits),
                      *known->refusal)};
}

Result<std::optional<std::string>> try_kernel(GuestSupport& support,
                                              const KernelTrial& trial,
                                              const os::Context& context) {
  const ScopeExit cleanup([&] { (void)os::remove_tree(trial.directory); });
  auto guest = boot(support, trial, context);
  if (guest) {
    DM_TRY((*guest)->end(os::Context::with_timeout(kEndTimeout)), "");
    return std::nullopt;
  }
  const Error& error = guest.error();
  const bool late = error.kind() == ErrorKind::kDeadlineExceeded;
  // Anything else is no guest's doing, and neither is the end of the caller's time.
  if ((!late && error.kind() != ErrorKind::kUnavailable) || !context.check("try the kernel")) {
    return fail(std::move(guest).error().with_context("try the base's kernel"));
  }
  log::warning("a guest with the base's kernel did not come up",
               {{"base", trial.base.key},
                {"isolation", std::string(vmm::to_string(trial.platform.acceleration))},
                {"error", error.message()}});
  return (late ? fmt::format("its guest did not answer within {} s", trial.timeout.count())
               : std::string("its VMM ended before the guest answered")) +
         said_by_qemu(trial.directory);
}

}  // namespace dormouse::host
